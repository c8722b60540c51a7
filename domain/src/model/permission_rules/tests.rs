use serde_json::json;

use super::*;

fn rules(claims: &[&str], mapping: &[(&str, &[&str])]) -> PermissionRules {
    let mapped = |names: &[&str]| names.iter().map(|name| Permission::new(*name)).collect();
    PermissionRules {
        claims: claims.iter().filter_map(|path| ClaimPath::parse(path)).collect(),
        mapping: mapping.iter().map(|(value, to)| ((*value).to_owned(), mapped(to))).collect(),
    }
}

/// Decides at a log-in. An absent source is `null`.
fn decide(rules: &PermissionRules, sources: [&Value; 3]) -> PermissionDecision {
    decide_after(&Permissions::default(), rules, sources)
}

fn decide_after(
    earlier: &Permissions,
    rules: &PermissionRules,
    sources: [&Value; 3],
) -> PermissionDecision {
    let maps = sources.map(|value| value.as_object());
    let [id_token, userinfo, access_token] = maps;
    rules.decide(StatedClaims { id_token, userinfo, access_token }, earlier)
}

fn names(decision: &PermissionDecision) -> Vec<&str> {
    let grants = decision.permissions.grants();
    grants.iter().flat_map(|grant| &grant.permissions).map(Permission::as_str).collect()
}

/// The shapes that the providers document, each where that provider puts it.
#[test]
fn reads_the_claims_of_each_provider() {
    let none = json!({});
    let keycloak = json!({
        "typ": "Bearer",
        "azp": "portico",
        "realm_access": { "roles": ["offline_access", "read:admin-messages"] },
        "resource_access": {
            "portico.example.com": { "roles": ["editor"] },
            "account": { "roles": ["manage-account"] },
        },
        "scope": "openid profile email",
    });
    let entra = json!({
        "tid": "9122040d-6c67-4c5b-b112-36a304b66dad",
        "roles": ["Survey.Create", "read:admin-messages"],
        "groups": ["0760b6cf-170e-4a14-91b3-4b78e0739963"],
    });
    let okta = json!({ "groups": ["Everyone", "Portico Admins"] });
    let cognito = json!({
        "cognito:groups": ["admins", "eu-west-1_ab12cd34E_Google"],
        "cognito:username": "ann",
        "token_use": "id",
    });
    let auth0_access = json!({
        "aud": ["https://messages.example", "https://tenant.eu.auth0.com/userinfo"],
        "permissions": ["read:admin-messages"],
    });
    let auth0_action = json!({ "https://example.com/roles": ["Site Admin"] });
    let dex = json!({ "groups": ["authors", "org:team"], "federated_claims": {} });
    let one_text = json!({ "permissions": "read:admin-messages  read:reports" });
    let flat = json!({ "roles": "editor" });
    for (provider, path, sources, source, expected) in [
        (
            "Keycloak",
            "realm_access.roles",
            [&none, &none, &keycloak],
            ClaimSource::AccessToken,
            vec!["offline_access", "read:admin-messages"],
        ),
        (
            "Keycloak",
            "resource_access.portico.example.com.roles",
            [&none, &none, &keycloak],
            ClaimSource::AccessToken,
            vec!["editor"],
        ),
        (
            "Entra ID",
            "roles",
            [&entra, &none, &none],
            ClaimSource::IdToken,
            vec!["Survey.Create", "read:admin-messages"],
        ),
        (
            "Entra ID",
            "groups",
            [&entra, &none, &none],
            ClaimSource::IdToken,
            vec!["0760b6cf-170e-4a14-91b3-4b78e0739963"],
        ),
        (
            "Okta",
            "groups",
            [&none, &okta, &none],
            ClaimSource::Userinfo,
            vec!["Everyone", "Portico Admins"],
        ),
        (
            "Cognito",
            "cognito:groups",
            [&cognito, &none, &none],
            ClaimSource::IdToken,
            vec!["admins", "eu-west-1_ab12cd34E_Google"],
        ),
        (
            "Auth0",
            "permissions",
            [&none, &none, &auth0_access],
            ClaimSource::AccessToken,
            vec!["read:admin-messages"],
        ),
        (
            "Auth0",
            "https://example.com/roles",
            [&auth0_action, &none, &none],
            ClaimSource::IdToken,
            vec!["Site Admin"],
        ),
        ("dex", "groups", [&dex, &none, &none], ClaimSource::IdToken, vec!["authors", "org:team"]),
        (
            "one text",
            "permissions",
            [&one_text, &none, &none],
            ClaimSource::IdToken,
            vec!["read:admin-messages", "read:reports"],
        ),
        ("one word", "roles", [&flat, &none, &none], ClaimSource::IdToken, vec!["editor"]),
    ] {
        let decision = decide(&rules(&[path], &[]), sources);
        assert_eq!(names(&decision), expected, "{provider} {path}");
        assert!(decision.permissions.come_from(source), "{provider} {path}");
        assert_eq!(decision.permissions.grants()[0].claim, path, "{provider}");
    }
}

#[test]
fn unites_several_claims_and_prefers_the_id_token() {
    let rules = rules(&["permissions", "groups"], &[]);
    let id_token = json!({ "permissions": ["a", "b", 7, ""] });
    let userinfo = json!({ "permissions": ["x"], "groups": ["b", "c"] });
    let decision = decide(&rules, [&id_token, &userinfo, &json!({ "groups": ["y"] })]);
    assert_eq!(names(&decision), ["a", "b", "c"]);
    // An empty array is a statement.
    let decision = decide(&rules, [&json!({ "permissions": [] }), &userinfo, &json!({})]);
    assert_eq!(names(&decision), ["b", "c"]);
}

#[test]
fn reports_other_shapes_and_goes_on_with_the_next_source() {
    let rules = rules(&["groups"], &[]);
    for shape in [json!(7), json!(true), json!({ "a": "b" })] {
        let decision = decide(&rules, [&json!({ "groups": shape }), &json!({}), &json!({})]);
        assert_eq!((names(&decision), decision.malformed.len()), (vec![], 1), "{shape}");
    }
    let decision =
        decide(&rules, [&json!({ "groups": 7 }), &json!({ "groups": ["a"] }), &json!({})]);
    assert_eq!(names(&decision), ["a"]);
    let decision = decide(&rules, [&json!({ "groups": null }), &json!({}), &json!({})]);
    assert_eq!(decision, PermissionDecision::default());
}

#[test]
fn maps_values_to_permissions() {
    let rules = rules(&["groups"], &[("/admins", &["read:admin-messages", "read:reports"])]);
    let decision =
        decide(&rules, [&json!({ "groups": ["/admins", "/staff"] }), &json!({}), &json!({})]);
    assert_eq!(names(&decision), ["read:admin-messages", "read:reports", "/staff"]);
    let other =
        decide(&rules, [&json!({ "groups": ["/Admins", "admins"] }), &json!({}), &json!({})]);
    assert!(!other.permissions.contains(&Permission::new("read:admin-messages")));
}

#[test]
fn limits_number_and_length_and_leaves_out_what_nothing_here_names() {
    let mut groups: Vec<String> = (0..300).map(|number| format!("group-{number}")).collect();
    groups.push("x".repeat(201));
    groups.push("/admins".into());
    groups.push("read:admin-messages".into());
    let rules = rules(&["groups"], &[("/admins", &["read:reports"])]);
    let decision = decide(&rules, [&json!({ "groups": groups }), &json!({}), &json!({})]);
    assert_eq!((names(&decision).len(), decision.left_out), (100, 203));
    for name in ["read:reports", "read:admin-messages", "group-0"] {
        assert!(decision.permissions.contains(&Permission::new(name)), "{name}");
    }

    let long: Vec<String> = (0..100).map(|number| format!("{number:0>200}")).collect();
    let decision = decide(&rules, [&json!({ "groups": long }), &json!({}), &json!({})]);
    assert_eq!((names(&decision).len(), decision.left_out), (15, 85));
}

#[test]
fn names_claims_that_are_only_referred_to() {
    let overage = json!({
        "_claim_names": { "groups": "src1", "address": "src2" },
        "_claim_sources": { "src1": { "endpoint": "https://graph.windows.net/x/getMemberObjects" } },
    });
    for (claims, expected) in [
        (overage, vec!["groups"]),
        (json!({ "hasgroups": true }), vec!["groups"]),
        (json!({ "hasgroups": "true" }), vec!["groups"]),
        (json!({ "hasgroups": false }), vec![]),
        (json!({ "_claim_names": "groups" }), vec![]),
    ] {
        let decision = decide(&rules(&["groups"], &[]), [&claims, &json!({}), &json!({})]);
        assert_eq!(decision.permissions.only_referred(), expected, "{claims}");
        assert_eq!(names(&decision), [""; 0], "{claims}");
        let other = decide(&rules(&["roles"], &[]), [&claims, &json!({}), &json!({})]);
        assert!(other.permissions.only_referred().is_empty(), "{claims}");
    }
}

#[test]
fn permission_taken_away_is_gone_at_the_next_refresh() {
    let rules = rules(&["groups", "roles"], &[]);
    let empty = json!({});
    let log_in = [&json!({ "groups": ["a", "b"] }), &json!({ "roles": ["r"] }), &empty];
    let earlier = decide(&rules, log_in).permissions;
    let absent = json!(null);
    for (case, sources, expected) in [
        (
            "one is gone",
            [&json!({ "groups": ["a"] }), &json!({ "roles": ["r"] }), &empty],
            vec!["a", "r"],
        ),
        ("empty claims are left out", [&empty, &empty, &empty], vec![]),
        ("no ID token", [&absent, &json!({ "roles": ["r"] }), &empty], vec!["a", "b", "r"]),
        ("userinfo says nothing", [&json!({ "groups": ["b"] }), &absent, &empty], vec!["b", "r"]),
        (
            "another source states it",
            [&absent, &absent, &json!({ "groups": ["c"] })],
            vec!["c", "r"],
        ),
        ("a malformed claim grants nothing", [&json!({ "groups": 7 }), &empty, &empty], vec![]),
    ] {
        let decision = decide_after(&earlier, &rules, sources);
        assert_eq!(names(&decision), expected, "{case}");
    }
    // A claim that the settings do not name any more grants nothing.
    let other = super::PermissionRules { claims: vec![], ..rules };
    assert_eq!(names(&decide_after(&earlier, &other, [&absent; 3])), [""; 0]);
}
