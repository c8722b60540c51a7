use std::fmt::Display;

use rocket::{
    Request,
    http::{Header, Status},
    response::{self, Responder, Response},
};

/// `303 See Other`: the browser follows with GET, whatever the method was (RFC 9110, section
/// 15.4.4).
#[derive(Debug)]
pub struct SeeOther(String);

impl SeeOther {
    /// Leads to an address: one of this site's by `uri!`, or an absolute one.
    pub fn to(address: impl Display) -> Self {
        Self(address.to_string())
    }
}

impl<'r> Responder<'r, 'static> for SeeOther {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Response::build()
            .status(Status::SeeOther)
            .header(Header::new("Location", self.0))
            .header(Header::new("Cache-Control", "no-store"))
            .ok()
    }
}

/// 200 without content, for HEAD where GET changes something.
#[derive(Clone, Copy, Debug)]
pub struct NoBody;

impl<'r> Responder<'r, 'static> for NoBody {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Response::build().header(Header::new("Cache-Control", "no-store")).ok()
    }
}
