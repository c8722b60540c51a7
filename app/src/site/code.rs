use serde::Serialize;
use serde_json::{Map, Value};

/// A piece of code and the CSS class of its colour.
///
/// The server highlights code, so that no script is needed; the template escapes each piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CodePart {
    /// `k` a key, `s` a string, `n` a number, `w` a keyword; empty: no colour.
    class: &'static str,
    text: String,
}

/// An object as indented JSON, the same text as `serde_json::to_string_pretty` writes.
pub(super) fn json(object: &Map<String, Value>) -> Vec<CodePart> {
    let mut parts = Vec::new();
    write_object(&mut parts, object, 0);
    parts
}

fn write_value(parts: &mut Vec<CodePart>, value: &Value, depth: usize) {
    let class = match value {
        Value::Object(object) => return write_object(parts, object, depth),
        Value::Array(values) => {
            return write_all(parts, ('[', ']'), depth, values.iter(), |parts, value| {
                write_value(parts, value, depth + 1);
            });
        }
        Value::String(_) => "s",
        Value::Number(_) => "n",
        Value::Bool(_) | Value::Null => "w",
    };
    push(parts, class, &value.to_string());
}

fn write_object(parts: &mut Vec<CodePart>, object: &Map<String, Value>, depth: usize) {
    write_all(parts, ('{', '}'), depth, object.iter(), |parts, (key, value)| {
        push(parts, "k", &Value::from(key.as_str()).to_string());
        push(parts, "", ": ");
        write_value(parts, value, depth + 1);
    });
}

/// The items between brackets, one per line; the brackets alone if there are none.
fn write_all<T>(
    parts: &mut Vec<CodePart>,
    (open, close): (char, char),
    depth: usize,
    items: impl ExactSizeIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<CodePart>, T),
) {
    push(parts, "", &open.to_string());
    let last = items.len();
    for (number, item) in (1..).zip(items) {
        push(parts, "", &format!("\n{}", "  ".repeat(depth + 1)));
        write(parts, item);
        push(parts, "", if number < last { "," } else { "\n" });
    }
    let indent = if last == 0 { String::new() } else { "  ".repeat(depth) };
    push(parts, "", &format!("{indent}{close}"));
}

/// Joins adjacent parts of one class.
fn push(parts: &mut Vec<CodePart>, class: &'static str, text: &str) {
    match parts.last_mut() {
        Some(part) if part.class == class => part.text.push_str(text),
        _ => parts.push(CodePart { class, text: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn highlighting_does_not_change_text() {
        for value in [
            json!({}),
            json!({"a": [], "b": {}, "c": [1, -2.5, [null, {"d": "e\"\n\\"}]], "ü": true}),
        ] {
            let text: String = json(&object(value.clone())).into_iter().map(|p| p.text).collect();
            assert_eq!(text, serde_json::to_string_pretty(&value).unwrap());
        }
    }

    #[test]
    fn each_kind_of_value_has_its_class() {
        let parts = json(&object(json!({"a": "b", "c": 1, "d": null})));
        let coloured: Vec<_> = parts
            .iter()
            .filter(|part| !part.class.is_empty())
            .map(|part| (part.class, part.text.as_str()))
            .collect();
        assert_eq!(
            coloured,
            [
                ("k", "\"a\""),
                ("s", "\"b\""),
                ("k", "\"c\""),
                ("n", "1"),
                ("k", "\"d\""),
                ("w", "null")
            ]
        );
    }
}
