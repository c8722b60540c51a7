//! The status of an internal error.

use rocket::http::Status;

use crate::model::internal_error::InternalError;

impl From<InternalError> for Status {
    fn from(_: InternalError) -> Self {
        Self::InternalServerError
    }
}
