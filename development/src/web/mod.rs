//! Request guards, fairings and cookies that several endpoints use.

pub(crate) mod bearer;
pub(crate) mod count_requests;
pub(crate) mod headers;
mod internal_error;
pub(crate) mod parameters;
pub(crate) mod same_origin;
pub(crate) mod session_cookie;
