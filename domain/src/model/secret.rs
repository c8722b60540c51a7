//! Values that must not be seen: their `Debug` shows nothing and they compare in constant time.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

macro_rules! secret {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        ///
        /// `Debug` hides the value; `==` takes the same time wherever two values differ.
        #[derive(Clone, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the value as it came.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// The value itself: for the wire and for sealing, never for a log or a page.
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
    /// Proves to a resource server what its bearer may do (RFC 6749, section 1.4).
    AccessToken;
    /// What the provider says about the person, signed (OpenID Connect Core, section 2).
    IdToken;
    /// Renews an access token (RFC 6749, section 1.5).
    RefreshToken;
    /// What the provider hands the browser for the relying party to redeem (RFC 6749, section 4.1.2).
    AuthorizationCode;
    /// Ties an ID token to one login attempt (OpenID Connect Core, section 3.1.2.1).
    Nonce;
    /// Ties a code to the one who asked for it (RFC 7636, section 4.1).
    CodeVerifier;
    /// Ties a callback to the browser that began the login (RFC 6749, section 10.12).
    State;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_value() {
        let shown = format!("{:?}", AccessToken::new("eyJhbGciOi"));
        assert_eq!(shown, "AccessToken(…)");
    }

    #[test]
    fn equal_means_the_same_value() {
        assert_eq!(State::new("a"), State::new("a"));
        assert_ne!(State::new("a"), State::new("b"));
        assert_ne!(State::new("a"), State::new("aa"));
    }
}
