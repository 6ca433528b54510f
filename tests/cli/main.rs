//! The program as a user meets it.

mod calls;
mod evaluate;
mod files;
mod nets;
mod predict;
mod program;
