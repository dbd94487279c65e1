//! Terminal views of a run: model, update, view.
