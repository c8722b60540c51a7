//! Example values.

use chrono::{DateTime, Utc};
use portico_domain::model::{
    AccessToken, AuthorizationParameters, ClaimSource, Claims, CodeVerifier, Grant, IdToken,
    Identity, LoginAttempt, NextPage, Nonce, Permission, Permissions, Reader, Session, SessionId,
    State, Subject, Tokens, Topic, User,
};
use serde_json::json;

/// The issuer of the examples.
pub const ISSUER: &str = "https://id.example/";

/// The user of the examples.
pub fn subject() -> Subject {
    Subject::new(ISSUER, "user-1")
}

/// The identity of [`subject`] after a log-in.
pub fn identity() -> Identity {
    let claims =
        json!({"iss": ISSUER, "sub": "user-1", "name": "Jo Example", "email": "jo@example.com"});
    Identity {
        subject: subject(),
        claims: Claims::new(&claims.as_object().cloned().unwrap_or_default()),
        permissions: permissions(),
        tokens: Tokens {
            id_token: Some(IdToken::new("id-token")),
            access_token: AccessToken::new("access-token"),
            access_token_issued_at: DateTime::UNIX_EPOCH,
            access_token_expires_at: None,
            refresh_token: None,
        },
        provider_session_id: Some("provider-session".into()),
    }
}

/// The permission `read:messages`, by the claim `permissions` of the ID token.
pub fn permissions() -> Permissions {
    let grant = Grant {
        source: ClaimSource::IdToken,
        claim: "permissions".into(),
        permissions: vec![Permission::new("read:messages")],
    };
    Permissions::new(vec![grant], Vec::new())
}

/// The session of [`subject`], started at the epoch.
pub fn session() -> Session {
    session_at(DateTime::UNIX_EPOCH)
}

/// The session of [`subject`], started at this time.
pub fn session_at(start: DateTime<Utc>) -> Session {
    Session::new(SessionId::new([1; 32]), "Firefox on Linux", identity(), start)
}

/// The record of [`subject`] after the first log-in.
pub fn user() -> User {
    User {
        subject: subject(),
        profile: identity().profile(),
        permissions: Some(permissions()),
        first_seen: DateTime::UNIX_EPOCH,
        last_login: DateTime::UNIX_EPOCH,
        logins: 1,
    }
}

/// An attempt that began at the epoch. A `next` that is no page of the site becomes the profile.
pub fn attempt(state: &str, next: &str) -> LoginAttempt {
    LoginAttempt {
        state: State::new(state),
        nonce: Nonce::new(format!("nonce of {state}")),
        code_verifier: CodeVerifier::new(format!("verifier of {state}")),
        next: NextPage::parse_or_profile(Some(next)),
        requested: AuthorizationParameters::default(),
        started_at: DateTime::UNIX_EPOCH,
    }
}

/// A user with this access token who may read the admin message, or may not.
pub fn reader(access_token: &str, is_admin: bool) -> Reader {
    let grant = Grant {
        source: ClaimSource::IdToken,
        claim: "permissions".into(),
        permissions: Topic::Admin.permission().into_iter().collect(),
    };
    let grants = if is_admin { vec![grant] } else { Vec::new() };
    let permissions = Permissions::new(grants, Vec::new());
    Reader { access_token: AccessToken::new(access_token), permissions }
}
