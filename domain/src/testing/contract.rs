//! The promises of the ports, as clauses that every adapter runs.
