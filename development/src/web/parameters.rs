//! OAuth parameters in the query or in a form.

use rocket::{
    Data, Request, async_trait,
    data::{FromData, Outcome as DataOutcome, ToByteUnit},
    http::Status,
    request::{FromRequest, Outcome},
};
use url::form_urlencoded;

/// Names and values in the order of the request. An empty value counts as absent (RFC 6749,
/// section 3.1).
#[derive(Clone, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes()).into_owned();
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value, or `None` when it is absent or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a name occurs more than once, which RFC 6749 forbids (section 3.1).
    pub(crate) fn has_duplicates(&self) -> bool {
        self.0
            .iter()
            .enumerate()
            .any(|(i, (name, _))| self.0[..i].iter().any(|(earlier, _)| earlier == name))
    }

    /// A copy without these names.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let others = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self(others.cloned().collect())
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// All names and values.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The query string, without the question mark.
    pub(crate) fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

#[async_trait]
impl<'r> FromRequest<'r> for Parameters {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        let query = request.uri().query().map(|query| query.as_str()).unwrap_or_default();
        Outcome::Success(Self::parse(query))
    }
}

#[async_trait]
impl<'r> FromData<'r> for Parameters {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> DataOutcome<'r, Self> {
        if !request.content_type().is_some_and(|kind| kind.is_form()) {
            return DataOutcome::Error((Status::UnsupportedMediaType, ()));
        }
        match data.open(64.kibibytes()).into_string().await {
            Ok(text) if text.is_complete() => DataOutcome::Success(Self::parse(&text)),
            Ok(_) => DataOutcome::Error((Status::PayloadTooLarge, ())),
            Err(_) => DataOutcome::Error((Status::BadRequest, ())),
        }
    }
}

/// Whether the byte may occur in a PKCE challenge or verifier (RFC 7636, section 4).
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
