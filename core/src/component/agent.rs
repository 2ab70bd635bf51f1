//! The rules of an agent.

use kaspr_crds::{KasprAgentSpec, TopicIn};

use super::code::{check_at_least_one, check_processors, check_scalars, check_topic};
use crate::invalid::Invalid;

/// What the schema of an agent cannot say.
pub(super) fn check(spec: &KasprAgentSpec, problems: &mut Vec<Invalid>) {
    let input = &spec.input;
    if input.topic.is_none() && input.channel.is_none() {
        problems.push(Invalid::new(
            "spec.input",
            "an agent needs something to read",
            "add input.topic or input.channel",
        ));
    }
    if input.topic.is_some() && input.channel.is_some() {
        problems.push(Invalid::new(
            "spec.input",
            "an agent reads a topic or a channel, and workers would ignore the channel",
            "remove input.topic or input.channel",
        ));
    }
    if let Some(topic) = &input.topic {
        check_input(topic, problems);
    }
    if input.channel.as_ref().is_some_and(|channel| channel.name.is_empty()) {
        problems.push(Invalid::new(
            "spec.input.channel.name",
            "the channel has no name",
            "name the channel, as the outputChannel of a join",
        ));
    }
    if let Some(take) = input.take.as_ref().filter(|take| take.max < 1) {
        problems.push(
            Invalid::new("spec.input.take.max", "it is below 1", "use 1 or more")
                .with_value(&take.max.into()),
        );
    }
    let topics = spec.output.as_ref().and_then(|output| output.topics.as_deref());
    for (index, topic) in topics.unwrap_or_default().iter().enumerate() {
        check_topic(&format!("spec.output.topics[{index}]"), topic, problems);
    }
    match &spec.processors {
        Some(processors) => check_processors(processors, problems),
        None => problems.push(Invalid::new(
            "spec.processors",
            "workers refuse an agent without it",
            "add processors with a pipeline and its operations",
        )),
    }
}

fn check_input(topic: &TopicIn, problems: &mut Vec<Invalid>) {
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if given(&topic.name) == given(&topic.pattern) {
        problems.push(Invalid::new(
            "spec.input.topic",
            "an input topic needs exactly one of name and pattern",
            "remove one, or add the missing one",
        ));
    }
    let names = topic.name.as_deref().filter(|name| !name.is_empty());
    if names.is_some_and(|names| names.split(',').all(|name| name.trim().is_empty())) {
        problems.push(Invalid::new(
            "spec.input.topic.name",
            "it names no topic",
            "name one or more topics, separated by commas",
        ));
    }
    let listed = names.into_iter().flat_map(|names| names.split(',')).map(str::trim);
    for name in listed.filter(|name| !name.is_empty() && !is_topic(name)) {
        problems.push(
            Invalid::new(
                "spec.input.topic.name",
                "Kafka has no topic of such a name",
                "use letters, digits, '.', '_' and '-', at most 249",
            )
            .with_value(&name.into()),
        );
    }
    check_at_least_one("spec.input.topic", "partitions", topic.partitions, problems);
    check_at_least_one("spec.input.topic", "replicas", topic.replicas, problems);
    check_scalars("spec.input.topic.config", topic.config.as_ref(), problems);
}

/// Source: `org.apache.kafka.common.internals.Topic`, legal characters and length.
fn is_topic(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= 249 && name.bytes().all(is_legal)
}
