//! The rules of a web view.

use kaspr_crds::{KasprWebViewSpec, Outcomes, WebResponse};
use serde_json::Value;

use super::Claim;
use super::code::{check_code, check_processors, check_scalars};
use crate::invalid::Invalid;
use crate::schema;

/// What the schema of a web view cannot say; gives the route that it claims.
pub(super) fn check(spec: &KasprWebViewSpec, problems: &mut Vec<Invalid>) -> Claim {
    let path = &spec.request.path;
    if !path.starts_with('/') || path.contains(char::is_whitespace) {
        problems.push(
            Invalid::new(
                "spec.request.path",
                "it is no path",
                "start it with '/', and leave no blanks in it",
            )
            .with_value(&path.as_str().into()),
        );
    }
    if !has_whole_parameters(path) {
        problems.push(
            Invalid::new(
                "spec.request.path",
                "a brace is left open, or a parameter has no name",
                "write parameters as {name}",
            )
            .with_value(&path.as_str().into()),
        );
    }
    if let Some(response) = &spec.response {
        check_response(response, problems);
    }
    if let Some(processors) = &spec.processors {
        check_processors(processors, problems);
    }
    let method = serde_json::to_value(spec.request.method).ok();
    let method = method.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    Claim::Route(method, path.clone())
}

fn check_response(response: &WebResponse, problems: &mut Vec<Invalid>) {
    if let Some(code) = response.status_code.filter(|code| !(100..=599).contains(code)) {
        problems.push(
            Invalid::new(
                "spec.response.statusCode",
                "it is no HTTP status",
                "use a number from 100 to 599",
            )
            .with_value(&code.into()),
        );
    }
    for (field, both) in [
        ("statusCode", response.status_code.is_some() && response.status_code_selector.is_some()),
        (
            "headers",
            response.headers.as_ref().is_some_and(|headers| !headers.is_empty())
                && response.headers_selector.is_some(),
        ),
    ] {
        if both {
            problems.push(Invalid::new(
                format!("spec.response.{field}"),
                format!("workers refuse it beside {field}Selector"),
                "remove one of them",
            ));
        }
    }
    for name in response.headers.iter().flatten().map(|(name, _)| name) {
        if !is_header(name) {
            problems.push(
                Invalid::new(
                    schema::join("spec.response.headers", name),
                    "it is no name of an HTTP header",
                    "use letters, digits and '-'",
                )
                .with_value(&name.as_str().into()),
            );
        }
    }
    check_scalars("spec.response.headers", response.headers.as_ref(), problems);
    for (field, outcomes) in [
        ("bodySelector", &response.body_selector),
        ("statusCodeSelector", &response.status_code_selector),
        ("headersSelector", &response.headers_selector),
    ] {
        if let Some(outcomes) = outcomes {
            check_outcomes(&format!("spec.response.{field}"), outcomes, problems);
        }
    }
}

fn check_outcomes(at: &str, outcomes: &Outcomes, problems: &mut Vec<Invalid>) {
    if outcomes.on_success.is_none() && outcomes.on_error.is_none() {
        problems.push(Invalid::new(at, "a selector needs code", "add onSuccess or onError"));
    }
    check_code(&format!("{at}.onSuccess"), outcomes.on_success.as_ref(), problems);
    check_code(&format!("{at}.onError"), outcomes.on_error.as_ref(), problems);
}

/// Whether every brace of a path opens and closes one named parameter.
fn has_whole_parameters(path: &str) -> bool {
    let mut rest = path;
    while let Some(open) = rest.find(['{', '}']) {
        let (_, found) = rest.split_at(open);
        let Some((name, after)) = found.strip_prefix('{').and_then(|inner| inner.split_once('}'))
        else {
            return false;
        };
        if name.is_empty() || name.contains('{') {
            return false;
        }
        rest = after;
    }
    true
}

/// Source: RFC 9110, 5.6.2 "token".
fn is_header(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}
