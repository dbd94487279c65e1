//! Builder methods of types that grow.

/// Writes a builder method for each of the named fields: `with_model(model: Option<String>)` sets `model`.
macro_rules! with_fields {
    ($type:ident { $($with:ident($field:ident: $of:ty)),* $(,)? }) => {
        impl $type {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $with(mut self, $field: $of) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

pub(crate) use with_fields;
