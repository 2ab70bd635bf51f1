//! Variables and commands of containers: which values the operator gives, so that everybody may read them.

use serde_json::{Map, Value};

use super::{is_mask, scalar, text};
use crate::app::is_dns_label;
use crate::{packages, render};

/// Masks the value of a variable.
pub(super) fn mask(entry: &mut Map<String, Value>) {
    let name = entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(value) = entry.get_mut("value").filter(|value| !is_ours(&name, value)) else { return };
    if let Some((ours, users)) = value.as_str().and_then(|path| own_path(&name, path)) {
        *value = format!("{ours}:{}", text(users)).into();
        return;
    }
    scalar(value);
}

/// Whether a text of a command is one that this operator gives to all that install packages.
pub(super) fn is_of_installer(field: &str, text: &Value) -> bool {
    ["args", "command"].contains(&field) && text.as_str().is_some_and(render::is_of_installer)
}

/// Whether a variable has a value that this operator gives it: a digest, the place of packages, or the
/// host of a member. Its name alone would not do, since a user may set it too.
fn is_ours(name: &str, value: &Value) -> bool {
    let Some(value) = value.as_str() else { return false };
    let is_digest = value.len() == 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let host = value.strip_prefix("$(POD_NAME).").filter(|rest| rest.contains(".svc."));
    let is_host = host.is_some_and(|host| host.split('.').all(is_dns_label));
    (render::is_digest_variable(name) && is_digest)
        || (name == "K_WEB_HOST" && is_host)
        || (name == "PYTHONPATH" && packages::is_path(value))
}

/// The place of packages, and what the user adds to it, which is masked by itself.
fn own_path<'a>(name: &str, value: &'a str) -> Option<(&'a str, &'a str)> {
    let (ours, users) = value.split_once(':').filter(|_| name == "PYTHONPATH")?;
    (packages::is_path(ours) && !is_mask(value)).then_some((ours, users))
}
