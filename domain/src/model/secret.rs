//! Secret values: `Debug` hides them, and they compare in constant time.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

macro_rules! secret {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        ///
        /// `Debug` hides the value; `==` takes constant time.
        #[derive(Clone, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the value.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// The value: for requests and for sealing, never for a log or a page.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
            }
        }

        impl Eq for $name {}
    )+};
}

secret! {
    /// Grants access to a resource server (RFC 6749, section 1.4).
    AccessToken;
    /// The signed claims of the provider about the user (OpenID Connect Core, section 2).
    IdToken;
    /// Renews an access token (RFC 6749, section 1.5).
    RefreshToken;
    /// Is redeemed for tokens (RFC 6749, section 4.1.2).
    AuthorizationCode;
    /// Binds an ID token to one log-in attempt (OpenID Connect Core, section 3.1.2.1).
    Nonce;
    /// Binds a code to the client that requested it (RFC 7636, section 4.1).
    CodeVerifier;
    /// Binds a callback to the browser that began the log-in (RFC 6749, section 10.12).
    State;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_value() {
        let text = format!("{:?}", AccessToken::new("eyJhbGciOi"));
        assert_eq!(text, "AccessToken(…)");
    }

    #[test]
    fn compares_values() {
        assert_eq!(State::new("a"), State::new("a"));
        assert_ne!(State::new("a"), State::new("b"));
        assert_ne!(State::new("a"), State::new("aa"));
    }
}
