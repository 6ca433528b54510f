//! bernet
