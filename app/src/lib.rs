#![allow(missing_docs)]

pub mod assets;
