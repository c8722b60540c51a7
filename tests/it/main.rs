//! Portico from the outside.

mod users;
