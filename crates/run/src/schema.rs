//! JSON Schemas of types that are strings in JSON.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{HostId, RunHandle, RunId, StepPath};

macro_rules! string_schema {
    ($($name:ident: $description:literal,)+) => {
        $(
            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({"type": "string", "description": $description})
                }
            }
        )+
    };
}

string_schema! {
    RunId: "Id of a run; ids sort by the start of the run.",
    RunHandle: "Short name of a run on its machine, such as `r17`.",
    HostId: "Name of a host.",
    StepPath: "Path of a step: its name in the workflow, and the steps it is in, separated by `/`.",
}
