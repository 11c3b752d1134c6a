//! Settings from the environment.

use figment::{
    Figment,
    providers::Env,
    value::{Dict, Value},
};

use super::ENV_PREFIX;

/// The environment's settings. Where the default is a number, a switch or a table, the text is read
/// as TOML; everything else is text, also when it looks like a number.
pub(super) fn settings(defaults: &Figment) -> Dict {
    let mut dict = Dict::new();
    for (key, text) in Env::prefixed(ENV_PREFIX).split("__").iter() {
        // These share the prefix but are not settings: the path of the file, and what test rigs hand
        // down.
        if key == "config" || key.as_str().starts_with("test_") {
            continue;
        }
        let value = match defaults.find_value(key.as_str()) {
            Ok(Value::String(..)) | Err(_) => Value::from(text),
            Ok(_) => text.parse().unwrap_or_else(|never| match never {}),
        };
        put(&mut dict, key.as_str(), value);
    }
    dict
}

/// Sets the value at a dotted path, making the tables on the way.
fn put(dict: &mut Dict, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        dict.insert(path.to_owned(), value);
        return;
    };
    let table = dict.entry(first.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if !matches!(table, Value::Dict(..)) {
        *table = Value::from(Dict::new());
    }
    if let Value::Dict(_, table) = table {
        put(table, rest, value);
    }
}
