use async_trait::async_trait;

use crate::model::{Check, Message, Reader, Topic};

/// The API that holds the messages.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait MessageApi: Send + Sync {
    /// Reads the message for a user, or for a visitor without a session (`None`). An API on a server
    /// decides by the access token (RFC 6750, section 2.1), one in this process by the permissions:
    /// a user who lacks [`Topic::permission`] is refused with [`RefusalReason::PermissionDenied`].
    ///
    /// # Errors
    /// A [`MessageError`] for each way in which there is no message.
    async fn read(&self, topic: Topic, reader: Option<Reader>) -> Result<Message, MessageError>;

    /// Checks that the API answers.
    ///
    /// # Errors
    /// [`MessageError`] when the public message cannot be read.
    async fn check(&self) -> Result<(), MessageError> {
        self.read(Topic::Public, None).await.map(drop)
    }

    /// Tries what the pages need of the API without a user, for `portico check`.
    async fn examine(&self) -> Vec<Check> {
        vec![Check::of("public", "readable without an access token", self.check().await)]
    }
}

/// Why there is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The API answered and refused.
    #[error("the API refused ({reason:?}): {text}")]
    Refused {
        /// Why.
        reason: RefusalReason,
        /// The API's text, which is untrusted.
        text: String,
    },
    /// The API is out of reach or its answer cannot be used, and why.
    #[error("the messages API failed: {0}")]
    Failed(String),
    /// The API does not answer in time.
    #[error("the messages API did not answer in time")]
    Timeout,
}

/// Why the API refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The access token is missing or not accepted.
    Unauthenticated,
    /// The user lacks the permission.
    PermissionDenied,
    /// There is no such message.
    NotFound,
    /// The API receives too many requests.
    TooManyRequests,
    /// Any other reason, by the API's own code for it.
    Other(u16),
}
