use std::{convert::Infallible, fmt};

use rocket::{
    Request,
    request::{FromRequest, Outcome},
};

use crate::Ports;

/// Identifies a request on its error page and in the log. Users give it to an operator. One per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference(u32);

impl Reference {
    /// The reference of the request, created on first use.
    pub fn of(request: &Request<'_>) -> Self {
        *request.local_cache(|| {
            let random = request.rocket().state::<Ports>().map(|ports| ports.randomness.bytes());
            // Without random bytes the error page is still shown.
            let bytes = random.and_then(Result::ok).unwrap_or_default();
            Self(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        })
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Reference {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        Outcome::Success(Self::of(request))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}-{:04X}", self.0 >> 16, self.0 & 0xFFFF)
    }
}
