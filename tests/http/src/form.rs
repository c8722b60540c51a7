//! Form submission (HTML, section 4.10.21).

use reqwest::Method;
use scraper::{ElementRef, Html};
use url::Url;

use crate::page::{Page, selector, visible_text};

/// The request that pressing the button sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Submission {
    /// `GET` or `POST`.
    pub(crate) method: Method,
    /// The target; for `GET` with the fields in its query.
    pub(crate) url: Url,
    /// The fields of the body, in document order; empty for `GET`.
    pub(crate) fields: Vec<(String, String)>,
}

/// Fills in fields of the button's form by their labels.
///
/// # Panics
/// When the page has no such button, the button no form, or the form no field with such a label.
pub(crate) fn fill_in(page: &Page, button: &str, fields: &[(&str, &str)]) -> Submission {
    let html = page.html();
    let pressed = button_named(&html, button)
        .unwrap_or_else(|| panic!("no button {button:?} on {}: {}", page.url.path(), page.text()));
    let form =
        form_of(&html, pressed).unwrap_or_else(|| panic!("the button {button:?} has no form"));
    let named: Vec<(ElementRef<'_>, &str)> = fields
        .iter()
        .map(|(label, value)| {
            let control = labelled(&html, form, label)
                .unwrap_or_else(|| panic!("no field {label:?} beside {button:?}"));
            (control, *value)
        })
        .collect();
    let sent: Vec<(String, String)> = html
        .select(&selector("input, select, textarea, button"))
        .filter(|control| form_of(&html, *control) == Some(form))
        .filter_map(|control| {
            let given = named.iter().find(|(named, _)| *named == control).map(|(_, value)| *value);
            // Checking one radio button unchecks the others with its name.
            let unchecked = control.attr("type") == Some("radio")
                && given.is_none()
                && named.iter().any(|(other, _)| other.attr("name") == control.attr("name"));
            let value = if unchecked {
                None
            } else if control == pressed {
                Some(control.attr("value").unwrap_or_default().to_owned())
            } else {
                value_of(control, given)
            };
            Some((control.attr("name")?.to_owned(), value?))
        })
        .collect();
    let attribute = |name: &str| {
        pressed.attr(&format!("form{name}")).or_else(|| form.attr(name)).unwrap_or_default()
    };
    let mut url = page.url.join(attribute("action")).expect("the form's action is an address");
    if attribute("method").eq_ignore_ascii_case("post") {
        return Submission { method: Method::POST, url, fields: sent };
    }
    url.query_pairs_mut().clear().extend_pairs(sent);
    Submission { method: Method::GET, url, fields: Vec::new() }
}

fn button_named<'a>(html: &'a Html, text: &str) -> Option<ElementRef<'a>> {
    let buttons = "button:not([type]), button[type=submit], input[type=submit]";
    html.select(&selector(buttons)).find(|button| {
        button.attr("disabled").is_none()
            && (visible_text(*button) == text
                || button.value().name() == "input" && button.attr("value") == Some(text)
                || button.attr("aria-label") == Some(text))
    })
}

/// The form that a control names, else the one that contains it.
fn form_of<'a>(html: &'a Html, control: ElementRef<'a>) -> Option<ElementRef<'a>> {
    match control.attr("form") {
        Some(id) => html.select(&selector("form")).find(|form| form.attr("id") == Some(id)),
        None => control
            .ancestors()
            .filter_map(ElementRef::wrap)
            .find(|ancestor| ancestor.value().name() == "form"),
    }
}

/// The form's control with this label: by `for`, by nesting, or by `aria-label`.
fn labelled<'a>(html: &'a Html, form: ElementRef<'a>, text: &str) -> Option<ElementRef<'a>> {
    let controls = selector("input, select, textarea");
    html.select(&controls).filter(|control| form_of(html, *control) == Some(form)).find(|control| {
        control.attr("aria-label") == Some(text)
            || html.select(&selector("label")).any(|label| {
                visible_text(label) == text
                    && match label.attr("for") {
                        Some(id) => control.attr("id") == Some(id),
                        None => control.ancestors().any(|ancestor| ancestor == *label),
                    }
            })
    })
}

/// The value that a control other than the pressed button submits, given what was typed into it;
/// `None` when it submits nothing.
fn value_of(control: ElementRef<'_>, typed: Option<&str>) -> Option<String> {
    if control.attr("disabled").is_some() {
        return None;
    }
    let own = || control.attr("value").map(str::to_owned);
    match (control.value().name(), control.attr("type").unwrap_or("text")) {
        ("button", _) | (_, "submit" | "button" | "reset" | "image" | "file") => None,
        // A value for a checkbox, of any text, checks it.
        ("input", "checkbox" | "radio") => (typed.is_some() || control.attr("checked").is_some())
            .then(|| own().unwrap_or_else(|| "on".into())),
        (_, _) if typed.is_some() => typed.map(str::to_owned),
        ("textarea", _) => Some(control.text().collect()),
        ("select", _) => {
            let chosen = control.select(&selector("option[selected]")).next();
            let option = chosen.or_else(|| control.select(&selector("option")).next())?;
            Some(option.attr("value").map_or_else(|| visible_text(option), str::to_owned))
        }
        _ => Some(own().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn page(body: &str) -> Page {
        Page {
            url: Url::parse("http://127.0.0.1:4040/here?a=b").unwrap(),
            status: StatusCode::OK,
            headers: Default::default(),
            body: body.into(),
            hops: Vec::new(),
        }
    }

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn fills_in_fields_by_label_and_keeps_hidden_fields() {
        let page = page(
            r#"<form action="/other"><button>Log In</button></form>
            <form method=POST action="/sign-in?x=1">
              <input type=hidden name=token value=abc>
              <label for=e>Email</label><input id=e name=email>
              <label>Password <input name=password type=password></label>
              <label><input type=checkbox name=stay> Stay</label>
              <input type=checkbox name=news><input name=off disabled value=1>
              <select name=lang><option>en</option><option selected value=de>German</option></select>
              <textarea name=note>hello</textarea>
              <button name=do value=cancel>Cancel</button>
              <button name=do value=in>Continue</button>
            </form>"#,
        );
        let fields = [("Email", "a@b.c"), ("Password", "p w"), ("Stay", "")];
        let sent = fill_in(&page, "Continue", &fields);
        assert_eq!(sent.method, Method::POST);
        assert_eq!(sent.url.as_str(), "http://127.0.0.1:4040/sign-in?x=1");
        let expected = [
            ("token", "abc"),
            ("email", "a@b.c"),
            ("password", "p w"),
            ("stay", "on"),
            ("lang", "de"),
            ("note", "hello"),
            ("do", "in"),
        ];
        assert_eq!(sent.fields, pairs(&expected));
    }

    #[test]
    fn checking_radio_button_unchecks_others_with_its_name() {
        let page = page(
            r#"<form method=post><label><input type=radio name=a value=1 checked> One</label>
            <label><input type=radio name=a value=2> Two</label>
            <input type=radio name=b value=3 checked><button>Go</button></form>"#,
        );
        let sent = fill_in(&page, "Go", &[("Two", "")]);
        assert_eq!(sent.fields, pairs(&[("a", "2"), ("b", "3")]));
        assert_eq!(fill_in(&page, "Go", &[]).fields, pairs(&[("a", "1"), ("b", "3")]));
    }

    #[test]
    fn form_without_method_and_action_gets_its_own_page() {
        let page =
            page(r#"<form><input name=q aria-label=Search><input type=submit value=Go></form>"#);
        let sent = fill_in(&page, "Go", &[("Search", "a b")]);
        assert_eq!(sent.method, Method::GET);
        assert_eq!(sent.url.as_str(), "http://127.0.0.1:4040/here?q=a+b");
    }

    #[test]
    #[should_panic(expected = "no field \"Email\" beside \"Go\"")]
    fn ignores_label_in_another_form() {
        let other =
            "<form><label>Email <input name=e></label></form><form><button>Go</button></form>";
        fill_in(&page(other), "Go", &[("Email", "x")]);
    }
}
