//! Gemini's `Schema`, which is OpenAPI's, as JSON Schema.

use serde_json::{Map, Value};

/// The same schema as JSON Schema: types in small letters, `nullable` as a type, counts as numbers,
/// names in camelCase. What only Gemini knows (`propertyOrdering`, `example`) does not change what is
/// valid and is left out.
pub(super) fn json_schema(schema: Value) -> Value {
    let Value::Object(members) = schema else { return schema };
    let mut out = Map::new();
    let mut nullable = false;
    for (name, value) in members {
        let name = super::super::fields::camel(&name);
        let value = match (name.as_str(), value) {
            ("propertyOrdering" | "example", _) => continue,
            ("nullable", value) => {
                nullable = value == Value::Bool(true);
                continue;
            }
            ("type", Value::String(kind)) if kind == "TYPE_UNSPECIFIED" => continue,
            ("type", Value::String(kind)) => kind.to_ascii_lowercase().into(),
            ("properties" | "defs" | "$defs", Value::Object(inner)) => {
                inner.into_iter().map(|(name, it)| (name, json_schema(it))).collect()
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(inner)) => {
                inner.into_iter().map(json_schema).collect()
            }
            ("items" | "additionalProperties", inner) => json_schema(inner),
            (
                "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties"
                | "maxProperties",
                Value::String(count),
            ) => count.parse::<u64>().map_or(Value::String(count), Value::from),
            (_, value) => value,
        };
        out.insert(name, value);
    }
    if nullable {
        allow_null(&mut out);
    }
    Value::Object(out)
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = vec![kind.take(), "null".into()].into();
    } else if let Some(Value::Array(inner)) = schema.get_mut("anyOf") {
        inner.push(serde_json::json!({"type": "null"}));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn makes_json_schema_of_openapis() {
        let check = |schema, expected| assert_eq!(json_schema(schema), expected);
        check(
            json!({
                "type": "OBJECT",
                "properties": {
                    "type": {"type": "STRING", "nullable": true, "enum": ["A", "B"]},
                    "list_of": {"type": "ARRAY", "min_items": "1", "items": {"type": "INTEGER"}},
                    "either": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": true},
                },
                "required": ["type"],
                "propertyOrdering": ["type"],
            }),
            json!({
                "type": "object",
                "properties": {
                    "type": {"type": ["string", "null"], "enum": ["A", "B", null]},
                    "list_of": {"type": "array", "minItems": 1, "items": {"type": "integer"}},
                    "either": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
                },
                "required": ["type"],
            }),
        );
        check(json!("x"), json!("x"));
        check(json!({"type": "TYPE_UNSPECIFIED"}), json!({}));
    }
}
