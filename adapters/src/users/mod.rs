//! Adapters of the port `UserRepository`.
