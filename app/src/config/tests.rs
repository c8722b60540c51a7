use base64::{Engine, engine::general_purpose::STANDARD};

use portico_adapters::identity::oidc::{ClientAuthMethod, Registration, UserinfoPolicy};

use portico_domain::model::LinkParameters;

use super::*;

mod sources;

fn problems(pairs: &[(&str, &str)]) -> Vec<Problem> {
    Settings::from_pairs(pairs.iter().copied()).unwrap_err().0
}

fn keys(pairs: &[(&str, &str)]) -> Vec<String> {
    problems(pairs).into_iter().map(|problem| problem.key).collect()
}

const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const RELEASE: [(&str, &str); 2] = [("ROCKET_PROFILE", "release"), ("ROCKET_SECRET_KEY", KEY)];
const OIDC: [(&str, &str); 2] =
    [("OIDC_ISSUER_URL", "https://id.example"), ("OIDC_CLIENT_ID", "portico")];

fn with<'a>(more: &[&[(&'a str, &'a str)]]) -> Vec<(&'a str, &'a str)> {
    more.concat()
}

fn registration(settings: &Settings) -> &Registration {
    match &settings.provider {
        Provider::Registered(registration) => registration,
        Provider::Development => panic!("the development provider"),
    }
}

#[test]
fn debug_profile_needs_no_settings() {
    let settings = Settings::from_pairs([("ROCKET_PROFILE", "debug")]).unwrap();
    assert!(matches!(settings.provider, Provider::Development));
    assert_eq!(settings.address_of("/callback"), "http://127.0.0.1:4040/callback");
    assert_eq!(settings.database_url.expose(), "sqlite://portico.db");
    assert_eq!(settings.scopes, ["openid", "profile", "email"]);
    assert_eq!(settings.lifetimes.rolling.num_seconds(), 86_400);
    assert_eq!(settings.lifetimes.absolute.num_seconds(), 604_800);
}

#[test]
fn accepts_env_file_of_django_sample() {
    let settings = Settings::from_pairs([
        ("AUTH0_DOMAIN", "tenant.eu.auth0.com"),
        ("AUTH0_CLIENT_ID", "id"),
        ("AUTH0_CLIENT_SECRET", "0123"),
        ("AUTH0_AUDIENCE", "https://api.example"),
        ("API_SERVER_URL", "http://localhost:6060"),
        ("PORT", "4040"),
    ])
    .unwrap();
    assert_eq!(registration(&settings).client_secret.as_ref().unwrap().secret(), "0123");
    assert_eq!(registration(&settings).issuer, "https://tenant.eu.auth0.com/");
    assert_eq!(settings.audience.as_deref(), Some("https://api.example"));
}

#[test]
fn release_profile_names_required_settings() {
    let found = problems(&[("ROCKET_PROFILE", "release")]);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].key, "ROCKET_SECRET_KEY");
    assert!(found[1].expected.contains("OIDC_ISSUER_URL"), "{}", found[1]);
    assert!(Settings::from_pairs(with(&[&RELEASE, &OIDC])).is_ok());
}

#[test]
fn refuses_two_providers() {
    assert_eq!(keys(&with(&[&OIDC, &[("AUTH0_CLIENT_ID", "x")]])), ["AUTH0_DOMAIN"]);
}

#[test]
fn names_missing_settings_of_provider() {
    assert_eq!(keys(&[("AUTH0_CLIENT_ID", "x")]), ["AUTH0_DOMAIN", "AUTH0_CLIENT_SECRET"]);
    assert_eq!(keys(&[("OIDC_CLIENT_SECRET", "x")]), ["OIDC_ISSUER_URL", "OIDC_CLIENT_ID"]);
}

#[test]
fn client_has_either_secret_or_readable_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let key_file = [("OIDC_CLIENT_KEY_FILE", file.to_str().unwrap())];
    let found = || keys(&with(&[&OIDC, &key_file]));
    assert_eq!(found(), ["OIDC_CLIENT_KEY_FILE"], "there is no file");
    std::fs::write(&file, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").unwrap();
    assert_eq!(found(), ["OIDC_CLIENT_KEY_FILE"], "it holds no private key");

    // Ed25519 in PKCS#8 (RFC 8410, section 7): a head that is always the same, and any 32 bytes.
    let der = [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &[7; 32]];
    let text = STANDARD.encode(der.concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    std::fs::write(&file, pem).unwrap();
    let id = [("OIDC_CLIENT_KEY_ID", "first")];
    let settings = Settings::from_pairs(with(&[&OIDC, &key_file, &id])).unwrap();
    let registration = registration(&settings);
    assert!(registration.client_secret.is_none());
    let key = registration.client_key.as_ref().unwrap();
    assert_eq!(format!("{key:?}"), "ClientKey { id: Some(\"first\"), .. }");

    let both = with(&[&OIDC, &key_file, &[("OIDC_CLIENT_SECRET", "x")]]);
    assert_eq!(keys(&both), ["OIDC_CLIENT_KEY_FILE"]);
}

#[test]
fn reports_all_problems_without_values() {
    let found = Settings::from_pairs([
        ("ROCKET_SECRET_KEY", "hunter2"),
        ("ROCKET_PORT", "hunter2"),
        ("ROCKET_ADDRESS", "hunter2"),
        ("PUBLIC_URL", "hunter2"),
        ("DATABASE_URL", "mysql://hunter2"),
        ("AUTO_MIGRATE", "hunter2"),
        ("SESSION_ROLLING_SECONDS", "0"),
        ("SESSION_ABSOLUTE_SECONDS", "-1"),
        ("SESSION_STORE", "hunter2"),
        ("PREVIOUS_SECRET_KEYS", "hunter2"),
        ("TRUSTED_PROXIES", "hunter2"),
        ("SSL_CERT_FILE", "/no/hunter2"),
        ("API_SERVER_URL", "hunter2"),
    ])
    .unwrap_err();
    assert_eq!(found.0.len(), 13, "{found}");
    assert!(found.to_string().contains("DATABASE_URL (from the given values): expected sqlite://"));
    assert!(!format!("{found}{found:?}").contains("hunter2"));
}

#[test]
fn reads_session_store() {
    let store =
        |pairs: &[(&str, &str)]| Settings::from_pairs(pairs.iter().copied()).unwrap().session_store;
    assert!(matches!(store(&[]), Store::Cookie));
    assert!(matches!(store(&[("SESSION_STORE", "cookie")]), Store::Cookie));
    assert!(matches!(store(&[("SESSION_STORE", "database")]), Store::Database));
    for address in [
        "redis://127.0.0.1",
        "redis://u:p@[::1]:6379/3",
        "rediss://cache.example/",
        "redis://a.example:7000,b.example:7001",
        "rediss://u:p@a.example,b.example",
        "redis+sentinel://a.example,b.example/main",
    ] {
        let redis = [("SESSION_STORE", "redis"), ("REDIS_URL", address)];
        assert!(matches!(store(&redis), Store::Redis(_)), "{address}");
    }
}

#[test]
fn redis_store_and_its_url_require_each_other() {
    assert_eq!(keys(&[("SESSION_STORE", "redis")]), ["REDIS_URL"]);
    for address in ["http://a.example", "redis:///2", "redis://a.example/two", "a.example:6379"] {
        let redis = [("SESSION_STORE", "redis"), ("REDIS_URL", address)];
        assert_eq!(keys(&redis), ["REDIS_URL"], "{address}");
    }
    for other in ["", "cookie", "database"] {
        let unused = [("SESSION_STORE", other), ("REDIS_URL", "redis://a.example")];
        assert_eq!(keys(&unused), ["REDIS_URL"], "{other}");
    }
}

#[test]
fn refuses_secret_key_of_zeroes() {
    let zeroes = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(keys(&[("ROCKET_SECRET_KEY", zeroes)]), ["ROCKET_SECRET_KEY"]);
}

#[test]
fn reads_previous_secret_keys() {
    let other = "cG9ydGljbyB0ZXN0cyBzZWFsIHdpdGggdGhpcyBrZXk=";
    let both = format!("{KEY}, {other}");
    let settings = Settings::from_pairs([("PREVIOUS_SECRET_KEYS", &*both)]).unwrap();
    let keys_of: Vec<_> = settings.previous_secret_keys.iter().map(SecretKey::expose).collect();
    assert_eq!(keys_of, [KEY, other]);
    for refused in [",", "hunter2", &format!("{KEY},")] {
        assert_eq!(keys(&[("PREVIOUS_SECRET_KEYS", refused)]), ["PREVIOUS_SECRET_KEYS"]);
    }
}

#[test]
fn public_url_is_an_origin() {
    for refused in [
        "ftp://a.example",
        "https://a.example/path",
        "https://u:p@a.example",
        "https://a.example/?q",
    ] {
        assert_eq!(keys(&[("PUBLIC_URL", refused)]), ["PUBLIC_URL"], "{refused}");
    }
    let settings = Settings::from_pairs([("PUBLIC_URL", "https://a.example/")]).unwrap();
    assert!(settings.is_https());
    assert_eq!(settings.address_of("/"), "https://a.example/");
}

#[test]
fn release_profile_requires_https_issuer_except_on_loopback() {
    let with_issuer =
        |issuer| with(&[&RELEASE, &[("OIDC_ISSUER_URL", issuer), ("OIDC_CLIENT_ID", "x")]]);
    assert_eq!(keys(&with_issuer("http://id.example")), ["OIDC_ISSUER_URL"]);
    assert!(Settings::from_pairs(with_issuer("http://127.0.0.1:9000")).is_ok());
    assert!(Settings::from_pairs(with_issuer("http://[::1]:9000/realm")).is_ok());
}

#[test]
fn reads_discovery_url_of_other_providers_only() {
    const KEY: &str = "OIDC_DISCOVERY_URL";
    let url = "http://127.0.0.1:8080/realms/a/.well-known/openid-configuration?p=b";
    let settings = Settings::from_pairs(with(&[&OIDC, &[(KEY, url)]])).unwrap();
    let Provider::Registered(registration) = settings.provider else { panic!() };
    assert_eq!(registration.discovery_url.as_ref().map(Url::as_str), Some(url));
    for refused in ["keycloak:8080", "http:keycloak", "ftp://keycloak", "http://keycloak/#a"] {
        assert_eq!(keys(&with(&[&OIDC, &[(KEY, refused)]])), [KEY], "{refused}");
    }
    assert_eq!(keys(&[(KEY, url)]), ["OIDC_ISSUER_URL", "OIDC_CLIENT_ID"]);
}

#[test]
fn reads_trusted_proxies() {
    let networks = "10.0.0.0/8, 192.168.1.1,::1";
    let settings = Settings::from_pairs([("TRUSTED_PROXIES", networks)]).unwrap();
    assert_eq!(Some(settings.trusted_proxies), TrustedProxies::parse(networks));
}

#[test]
fn form_post_requires_https_or_loopback() {
    let with = |mode, url| [("OIDC_RESPONSE_MODE", mode), ("PUBLIC_URL", url)];
    for url in ["https://site.example", "http://127.0.0.1:4040", "http://localhost:4040"] {
        let settings = Settings::from_pairs(with("form_post", url)).unwrap();
        assert_eq!(settings.response_mode, ResponseMode::FormPost, "{url}");
    }
    assert_eq!(keys(&with("form_post", "http://site.example")), ["OIDC_RESPONSE_MODE"]);
    assert_eq!(keys(&with("fragment", "https://site.example")), ["OIDC_RESPONSE_MODE"]);
    assert_eq!(Settings::from_pairs([]).unwrap().response_mode, ResponseMode::Query);
}

#[test]
fn scopes_always_include_openid() {
    let settings = Settings::from_pairs([("OIDC_SCOPES", "profile offline_access")]).unwrap();
    assert_eq!(settings.scopes, ["openid", "profile", "offline_access"]);
}

#[test]
fn reads_userinfo_policy() {
    let policy = |pairs: &[(&str, &str)]| {
        Settings::from_pairs(pairs.iter().copied()).unwrap().client.userinfo
    };
    assert_eq!(policy(&[]), UserinfoPolicy::Auto);
    for (text, expected) in [
        ("auto", UserinfoPolicy::Auto),
        ("always", UserinfoPolicy::Always),
        ("never", UserinfoPolicy::Never),
    ] {
        assert_eq!(policy(&[("OIDC_USERINFO", text)]), expected);
    }
    assert_eq!(keys(&[("OIDC_USERINFO", "yes")]), ["OIDC_USERINFO"]);
}

#[test]
fn reads_further_parameters_of_authorization_request() {
    let client =
        |pairs: &[(&str, &str)]| Settings::from_pairs(pairs.iter().copied()).unwrap().client;
    let none = client(&[]);
    assert!(none.sign_up_parameters.is_empty());
    assert_eq!(none.link_parameters, LinkParameters::default());
    let client = client(&[
        ("OIDC_SIGN_UP_PARAMETERS", "prompt=registration&theme=a+b%26"),
        ("OIDC_LOGIN_PARAMETERS", "kc_idp_hint, domain_hint hd,"),
    ]);
    let sent = [("prompt", "registration"), ("theme", "a b&")];
    assert!(client.sign_up_parameters.iter().eq(sent));
    let names = LinkParameters::with(["kc_idp_hint", "domain_hint", "hd"]);
    assert_eq!(client.link_parameters, names.unwrap());
}

#[test]
fn settings_name_no_parameter_of_the_protocol() {
    for (key, value) in [
        ("OIDC_SIGN_UP_PARAMETERS", "prompt=create&redirect_uri=https://attacker.example"),
        ("OIDC_LOGIN_PARAMETERS", "hd Redirect_Uri"),
    ] {
        let problems = problems(&[(key, value)]);
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!(problem.key, key);
        assert!(problem.expected.ends_with("do not use: not redirect_uri"), "{problem}");
    }
    for (key, value) in [
        ("OIDC_SIGN_UP_PARAMETERS", "hunter2"),
        ("OIDC_SIGN_UP_PARAMETERS", "hunter2=1&hunter2=2"),
        ("OIDC_LOGIN_PARAMETERS", "hunter2=1"),
    ] {
        let problems = problems(&[(key, value)]);
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.key == key && !problem.to_string().contains("hunter2"), "{problem}");
    }
}

#[test]
fn client_auth_method_requires_its_credential() {
    let method = |method, secret| {
        let pairs = [("OIDC_CLIENT_AUTH_METHOD", method), ("OIDC_CLIENT_SECRET", secret)];
        with(&[&OIDC, &pairs])
    };
    for (name, secret, accepted) in [
        ("client_secret_basic", "x", true),
        ("client_secret_post", "x", true),
        ("none", "", true),
        ("client_secret_basic", "", false),
        ("private_key_jwt", "x", false),
        ("client_secret_jwt", "x", false),
    ] {
        let pairs = method(name, secret);
        match accepted {
            true => {
                let settings = Settings::from_pairs(pairs).unwrap();
                let client_auth_method = registration(&settings).client_auth_method;
                assert_eq!(client_auth_method.map(ClientAuthMethod::name), Some(name));
            }
            false => assert_eq!(keys(&pairs), ["OIDC_CLIENT_AUTH_METHOD"], "{name}"),
        }
    }
}

#[test]
fn refuses_symmetric_id_token_algorithm() {
    const KEY: &str = "OIDC_ID_TOKEN_SIGNED_RESPONSE_ALG";
    assert!(Settings::from_pairs([(KEY, "ES256")]).unwrap().client.id_token_algorithm.is_some());
    for refused in ["HS256", "none", "es256"] {
        assert_eq!(keys(&[(KEY, refused)]), [KEY], "{refused}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let settings = Settings::from_pairs([
        ("OIDC_ISSUER_URL", "https://id.example"),
        ("OIDC_CLIENT_ID", "x"),
        ("OIDC_CLIENT_SECRET", "hunter2"),
        ("ROCKET_SECRET_KEY", KEY),
        ("PREVIOUS_SECRET_KEYS", KEY),
        ("DATABASE_URL", "postgres://portico:hunter2@db/portico"),
        ("SESSION_STORE", "redis"),
        ("REDIS_URL", "rediss://:hunter2@cache:6380/2"),
    ])
    .unwrap();
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(KEY), "{shown}");
}

#[test]
fn passes_settings_on_to_rocket() {
    let settings =
        Settings::from_pairs([("ROCKET_PORT", "5050"), ("ROCKET_WORKERS", "3")]).unwrap();
    assert_eq!(settings.rocket.extract_inner::<u16>("port").unwrap(), 5050);
    assert_eq!(settings.rocket.extract_inner::<usize>("workers").unwrap(), 3);
    assert_eq!(settings.address_of(""), "http://127.0.0.1:5050");
}
