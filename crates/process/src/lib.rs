//! Children: their life, sessions, pipes and the ladder that ends them.
