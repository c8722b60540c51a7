//! The outside world in a box, on loopback.
