#![allow(missing_docs)]

pub mod postgres;
