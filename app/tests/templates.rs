//! Each template, rendered as the site renders it, with harmless and with hostile values.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use portico::web::embedded_templates;
use rocket::figment::Figment;
use rocket::local::blocking::Client;
use rocket_dyn_templates::Template;
use rocket_dyn_templates::minijinja::{
    UndefinedBehavior, context,
    value::{Enumerator, Object, ObjectRepr, Value as TemplateValue},
};
use serde_json::{Value, json};

const HOSTILE: &str = r#"<script>"'&</script>"#;

fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates")
}

/// Renders templates. An undefined variable is an error.
struct Renderer(Client);

impl Renderer {
    fn new() -> Self {
        let figment = Figment::from(rocket::Config::debug_default())
            .merge(("template_dir", templates()))
            .merge(("log_level", "off"));
        let strict = Template::custom(|engines| {
            engines.minijinja.set_undefined_behavior(UndefinedBehavior::Strict);
        });
        Self(Client::untracked(rocket::custom(figment).attach(strict)).unwrap())
    }

    fn render(&self, name: &'static str, layout: &Value, page: &Value) -> String {
        let context = json!({ "layout": layout, "page": page });
        let embedded =
            embedded_templates().unwrap().get_template(name).unwrap().render(&context).unwrap();
        let page = Template::show(self.0.rocket(), name, context)
            .unwrap_or_else(|| panic!("{name} does not render"));
        assert_eq!(
            embedded, page,
            "the embedded template {name} differs from the one in the folder"
        );
        page
    }
}

fn layout(signed_in: bool, word: &str) -> Value {
    json!({
        "path": "/other", "tabs": [tab("/public", "Public", false)], "theme": null, "signed_in": signed_in, "unknown": false, "sign_up": !signed_in, "name": word, "development": true,
        "notice": word,
        "css": "/static/a.css", "js": "/static/a.js", "icon": "/static/a.svg", "reference": word,
    })
}

fn tab(path: &str, label: &str, current: bool) -> Value {
    json!({ "path": path, "label": label, "current": current })
}

/// The names of the page templates, without the parts that they share.
fn page_names() -> Vec<String> {
    let embedded = embedded_templates().unwrap();
    let names = embedded.templates().map(|(name, _)| name.to_owned());
    let pages: Vec<_> = names.filter(|name| !name.contains('/') && name != "layout").collect();
    assert!(pages.len() > 8, "{pages:?}");
    pages
}

/// A value for any template: the word, with every attribute, each the same value, and a list of one
/// such value.
#[derive(Debug)]
struct AnyValue(String);

impl Object for AnyValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &TemplateValue) -> Option<TemplateValue> {
        Some(TemplateValue::from_dyn_object(self.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(vec![TemplateValue::from_dyn_object(self.clone())])
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A page's context with every optional value, each made of `word`.
fn full(name: &str, word: &str) -> Value {
    match name {
        "profile" => json!({
            "picture": word, "initials": word, "name": word, "email": word,
            "email_verified": true, "claims": [{ "class": "", "text": word }],
            "userinfo": [{ "class": "k", "text": word }],
            "record": { "first_seen": { "datetime": word, "text": word },
                "last_login": { "datetime": word, "text": word }, "logins": 2 },
        }),
        "sessions" => {
            json!({ "all": true, "sessions": [session(true, word), session(false, word)] })
        }
        "message" => json!({
            "heading": word, "intro": word, "message": word,
            "refusal": { "status": 403, "text": word, "explanation": word, "missing": word },
        }),
        "error" => json!({
            "status": 502, "title": word, "what": word, "todo": word, "detail": word,
            "reference": word, "action": { "label": word, "href": word },
        }),
        "logged_out" => json!({ "what": word, "todo": word }),
        _ => json!({}),
    }
}

fn session(this: bool, word: &str) -> Value {
    let timestamp = json!({ "datetime": word, "text": word });
    json!({ "id": word, "device": word, "started": timestamp, "seen": timestamp, "this": this })
}

/// The same context without the optional values.
fn bare(name: &str) -> Value {
    let mut page = full(name, "word");
    for optional in [
        "picture",
        "email",
        "email_verified",
        "message",
        "record",
        "refusal",
        "userinfo",
        "detail",
        "reference",
        "action",
    ] {
        if let Some(value) = page.get_mut(optional) {
            *value = Value::Null;
        }
    }
    page
}

/// Each page, with and without a session, with each value and with none.
fn every_page(word: &str) -> Vec<(String, String)> {
    let templates = embedded_templates().unwrap();
    let mut rendered = Vec::new();
    for name in page_names() {
        let template = templates.get_template(&name).unwrap();
        for signed_in in [true, false] {
            for page in [TemplateValue::from_object(AnyValue(word.into())), context! {}] {
                let layout = layout(signed_in, word);
                let html = template.render(context! { layout, page }).unwrap();
                rendered.push((format!("{name}, signed in: {signed_in}, {page}"), html));
            }
        }
    }
    rendered
}

#[test]
fn escapes_hostile_values() {
    // The site's own script element has attributes: `<script>` can only come from a value.
    for (name, html) in every_page(HOSTILE) {
        assert!(!html.contains("<script>"), "{name}: {html}");
        assert!(!html.contains(r#""'&"#), "{name}: {html}");
    }
    let renderer = Renderer::new();
    for name in ["profile", "sessions", "message", "error", "logged_out"] {
        let html = renderer.render(name, &layout(false, ""), &full(name, HOSTILE));
        let values = full(name, HOSTILE).to_string().matches("<script>").count();
        assert!(
            html.matches("&lt;script&gt;&quot;&#x27;&amp;").count() >= values,
            "{name}: {html}"
        );
    }
}

#[test]
fn each_page_has_one_heading_a_title_and_a_language() {
    for (name, html) in every_page("word") {
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        assert_eq!(html.matches("<title>").count(), 1, "{name}");
        assert!(html.contains(" · Portico</title>"), "{name}");
        assert!(html.starts_with("<!doctype html>"), "{name}: {html}");
        assert!(html.contains(r#"<html lang="en">"#), "{name}");
        assert!(
            html.contains(r##"href="#main""##) && html.contains(r#"<main id="main""#),
            "{name}"
        );
    }
}

#[test]
fn links_of_home_page_resolve_in_docs() {
    let renderer = Renderer::new();
    let home = renderer.render("home", &layout(false, ""), &json!({}));
    let links: Vec<_> =
        home.split("href=\"").skip(1).map(|link| link.replace("&#x2f;", "/")).collect();
    let mut found = 0;
    for (path, name) in [("/docs#", "docs"), ("/docs/developers#", "developers")] {
        let page = renderer.render(name, &layout(false, ""), &json!({}));
        for anchor in links.iter().filter_map(|link| link.strip_prefix(path)) {
            let (anchor, _) = anchor.split_once('"').unwrap();
            assert!(page.contains(&format!("id=\"{anchor}\"")), "{path}{anchor}");
            found += 1;
        }
    }
    assert!(found >= 4, "{home}");
}

#[test]
fn visitor_can_sign_up_and_log_in() {
    let html = Renderer::new().render("home", &layout(false, ""), &json!({}));
    assert!(html.contains(r#"href="/signup">Sign Up</a>"#));
    assert!(html.contains(r#"href="/login">Log In</a>"#));
    assert!(html.contains(r#"href="&#x2f;public">Public</a>"#));
    assert!(!html.contains("Log Out"));
}

#[test]
fn shows_no_sign_up_button_where_provider_has_no_sign_up_page() {
    let mut layout = layout(false, "");
    layout["sign_up"] = json!(false);
    let html = Renderer::new().render("home", &layout, &json!({}));
    assert!(!html.contains("Sign Up") && !html.contains("/signup"), "{html}");
    // In both navigations and in the hero.
    assert_eq!(html.matches(r#"href="/login">Log In</a>"#).count(), 3);
}

#[test]
fn logged_in_user_can_log_out_and_see_profile_and_sessions() {
    let html = Renderer::new().render("home", &layout(true, "Ada"), &json!({}));
    assert!(html.contains(r#"<form method="post" action="/logout"><button"#));
    assert!(html.contains(">Log Out</button>"));
    assert!(html.contains(r#"href="/profile"><span class="unseen">Logged in as </span>Ada</a>"#));
    assert!(html.contains(r#"href="/sessions">Sessions</a>"#));
    for absent in ["Sign Up", "Log In<"] {
        assert!(!html.contains(absent), "{absent}");
    }
}

#[test]
fn marks_current_tab_in_both_navigations() {
    let mut layout = layout(true, "Ada");
    layout["tabs"] = json!([tab("/profile", "Profile", false), tab("/public", "Public", true)]);
    let html = Renderer::new().render("message", &layout, &bare("message"));
    assert_eq!(html.matches("aria-current").count(), 2);
    assert_eq!(html.matches(r#"href="&#x2f;public" aria-current="page""#).count(), 2);
}

#[test]
fn shows_banner_with_development_provider_only() {
    let mut layout = layout(false, "");
    let renderer = Renderer::new();
    assert!(renderer.render("home", &layout, &json!({})).contains("development provider"));
    layout["development"] = json!(false);
    assert!(!renderer.render("home", &layout, &json!({})).contains("development provider"));
}

#[test]
fn picture_is_requested_without_referrer() {
    let renderer = Renderer::new();
    let mut page = full("profile", "word");
    page["picture"] = json!("https://pictures.example/ada.png");
    let html = renderer.render("profile", &layout(true, "Ada"), &page);
    let (_, tag) = html.split_once("<img ").unwrap();
    let (tag, _) = tag.split_once('>').unwrap();
    assert!(tag.contains("pictures.example"), "{tag}");
    assert!(tag.contains(r#"referrerpolicy="no-referrer""#), "{tag}");

    let html = renderer.render("profile", &layout(true, "Ada"), &bare("profile"));
    assert!(!html.contains("<img"));
    assert!(html.contains(r#"<span class="avatar">"#));
}

#[test]
fn other_sessions_can_be_ended() {
    let renderer = Renderer::new();
    let html = renderer.render("sessions", &layout(true, "Ada"), &full("sessions", "word"));
    assert_eq!(html.matches("This device").count(), 1);
    assert_eq!(html.matches(r#"action="/sessions/end""#).count(), 1);
    assert_eq!(html.matches(r#"action="/sessions/end-others""#).count(), 1);

    let mut page = full("sessions", "word");
    page["sessions"] = json!([session(true, "word")]);
    let html = renderer.render("sessions", &layout(true, "Ada"), &page);
    assert!(!html.contains("/sessions/end"), "there is nothing to end");
    page["all"] = json!(false);
    let html = renderer.render("sessions", &layout(true, "Ada"), &page);
    assert!(html.contains("only the one that you are using"));
    assert_eq!(html.matches(r#"action="/sessions/end-others""#).count(), 1);
}

#[test]
fn unknown_email_verification_is_not_shown_as_unverified() {
    let renderer = Renderer::new();
    for (verified, words) in [
        (json!(true), Some("Email verified")),
        (json!(false), Some("Email not verified")),
        (Value::Null, None),
    ] {
        let mut page = full("profile", "word");
        page["email_verified"] = verified;
        let html = renderer.render("profile", &layout(true, "Ada"), &page);
        match words {
            Some(words) => assert!(html.contains(words), "{words}"),
            None => assert!(!html.contains("verified")),
        }
    }
}

/// The Content-Security-Policy blocks inline scripts and styles. Reads all files, also those that no
/// page above uses.
#[test]
fn templates_have_no_inline_script_style_or_foreign_origin() {
    let mut folders = vec![templates()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The development provider's style sheet is served from a file of its own.
            if path.extension().is_some_and(|extension| extension == "css") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
            files += 1;
            let name = path.display();
            // Minijinja escapes no other files.
            assert!(path.to_string_lossy().ends_with(".html.j2"), "{name}");
            for banned in ["<style", "style=", "javascript:", "https://", "http://", "src=\"//"] {
                assert!(!text.contains(banned), "{name}: {banned}");
            }
            assert!(!text.contains("|safe") && !text.contains("| safe"), "{name}");
            for (at, _) in text.match_indices("<script") {
                assert!(text[at..].starts_with("<script src="), "{name}: inline script");
            }
            for word in text.split_ascii_whitespace().filter(|word| word.contains('=')) {
                assert!(!word.starts_with("on"), "{name}: {word}");
            }
        }
    }
    assert!(files > page_names().len());
}
