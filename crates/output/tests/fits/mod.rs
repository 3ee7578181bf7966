//! What of a JSON value does not fit its JSON Schema.

use lapwing_event::Timestamp;
use serde_json::Value;

fn is_of_type(rule: &Value, value: &Value, at: &str) -> bool {
    match rule.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "null" => value.is_null(),
        other => panic!("{at}: type {other} is not known to this test"),
    }
}

/// What of a value does not fit its schema, for the few words of JSON Schema that ours uses; a word
/// that is not known here fails, so that none is passed over.
pub fn misfits(schema: &Value, root: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "additionalProperties" => true,
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                misfits(root.pointer(pointer).unwrap(), root, value, at, found);
                true
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => match rule {
                Value::Array(any) => any.iter().any(|rule| is_of_type(rule, value, at)),
                one => is_of_type(one, value, at),
            },
            "const" => rule == value,
            "minimum" => value.is_null() || value.as_u64() >= rule.as_u64(),
            "maximum" => value.is_null() || value.as_u64() <= rule.as_u64(),
            "anyOf" => rule.as_array().unwrap().iter().any(|rule| {
                let mut inside = Vec::new();
                misfits(rule, root, value, at, &mut inside);
                inside.is_empty()
            }),
            "pattern" => {
                // The one pattern that our schemas have.
                assert_eq!(rule, "^[a-fA-F0-9]+$", "{at}");
                let text = value.as_str().unwrap_or_default();
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            "minLength" => value.as_str().map(str::len) >= rule.as_u64().map(|n| n as usize),
            "maxItems" => value.as_array().map(Vec::len) <= rule.as_u64().map(|n| n as usize),
            "format" => Timestamp::parse_rfc3339(value.as_str().unwrap()).is_some(),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    misfits(rule, root, item, &format!("{at}[{index}]"), found);
                }
                true
            }
            "required" => {
                let names = rule.as_array().unwrap();
                value.is_null()
                    || names.iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => misfits(rule, root, inner, &format!("{at}.{name}"), found),
                        None => found.push(format!("{at}.{name} is not in the schema")),
                    }
                }
                true
            }
            other => panic!("{at}: {other} is not known to this test"),
        };
        if !fits {
            found.push(format!("{at}: {value} breaks {word} {rule}"));
        }
    }
}
