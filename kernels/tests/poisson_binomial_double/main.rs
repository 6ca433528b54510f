//! Distributions in f64 against exact arithmetic, identities, and cases that used to be wrong.
#![cfg(feature = "double")]

mod identities;
mod inputs;
mod many;
mod oracle;
mod single;
