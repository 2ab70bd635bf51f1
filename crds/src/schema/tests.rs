//! What must hold for the schemas of all six kinds.

use std::collections::BTreeMap;

use serde_json::Value;

use super::property_of;
use crate::{Kind, spec_schema};

/// Fields of Kubernetes' types: open, and as long as Kubernetes lets them be.
const EMBEDDED: [&str; 10] = [
    "resources",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "securityContext",
    "volumes",
    "volumeMounts",
    "env",
    "hostAliases",
    "imagePullSecrets",
];

const CODE: &str = "{python,entrypoint}";
const TOPIC_OUT: &str = "{name,nameSelector,declare,passThrough,ack,keySerializer,valueSerializer,\
    partitions,retention,compacting,deleting,replicas,config,keySelector,valueSelector,\
    partitionSelector,headersSelector,predicate}";
const PROCESSORS: &str = "processors.{pipeline,init,operations[].{name,tables[].{name,paramName},\
    map,filter,topicSend.TOPIC_OUT}}";

/// Every field of the original's definitions and of its second stage.
const FIELDS: [(Kind, &[&str]); 6] = [
    (
        Kind::App,
        &[
            "{version,replicas,image,bootstrapServers,tls,config}",
            "authentication.{type,username,passwordSecret.{secretName,passwordKey}}",
            "resources.{requests,limits,claims[].name}",
            "{livenessProbe,readinessProbe}.{failureThreshold,initialDelaySeconds,periodSeconds,\
             successThreshold,timeoutSeconds}",
            "storage.{type,class,size,deleteClaim}",
            "pythonPackages.{packages,indexUrl,extraIndexUrls,trustedHosts}",
            "pythonPackages.credentials.secretRef.{name,usernameKey,passwordKey}",
            "pythonPackages.cache.{type,enabled,storageClass,size,accessMode,deleteClaim}",
            "pythonPackages.cache.gcs.{bucket,prefix,maxArchiveSize,secretRef.{name,key}}",
            "pythonPackages.installPolicy.{retries,timeout,onFailure}",
            "pythonPackages.resources.{requests,limits}",
            "template.{serviceAccount,service,pod}.metadata.{labels,annotations}",
            "template.pod.{imagePullSecrets[].name,terminationGracePeriodSeconds,nodeSelector}",
            "template.pod.securityContext.{appArmorProfile,fsGroup,fsGroupChangePolicy,runAsGroup,\
             runAsNonRoot,runAsUser,seLinuxOptions,seccompProfile,supplementalGroups,sysctls,\
             windowsOptions}",
            "template.pod.affinity.{nodeAffinity,podAffinity,podAntiAffinity}.\
             {preferred,required}DuringSchedulingIgnoredDuringExecution",
            "template.pod.tolerations[].{effect,key,operator,tolerationSeconds,value}",
            "template.pod.topologySpreadConstraints[].{labelSelector,matchLabelKeys,maxSkew,\
             minDomains,nodeAffinityPolicy,nodeTaintsPolicy,topologyKey,whenUnsatisfiable}",
            "template.pod.{priorityClassName,schedulerName,hostAliases[].{ip,hostnames}}",
            "template.pod.enableServiceLinks",
            "template.pod.volumes[].{name,secret,configMap,emptyDir.{medium,sizeLimit}}",
            "template.pod.volumes[].{persistentVolumeClaim,csi.volumeAttributes}",
            "template.{kasprContainer,pythonPackagesInitContainer}.env[].{name,value,valueFrom}",
            "template.{kasprContainer,pythonPackagesInitContainer}.volumeMounts[].{name,mountPath,\
             subPath,readOnly,mountPropagation,subPathExpr,recursiveReadOnly}",
            "template.{kasprContainer,pythonPackagesInitContainer}.securityContext.{capabilities,\
             privileged,procMount,readOnlyRootFilesystem,allowPrivilegeEscalation}",
        ],
    ),
    (
        Kind::Agent,
        &[
            "{description,isolatedPartitions}",
            "input.{declare,channel.name,take.{max,within}}",
            "input.topic.{name,pattern,keySerializer,valueSerializer,partitions,retention,\
             replicas,compacting,deleting,config}",
            "output.topics[].TOPIC_OUT",
            PROCESSORS,
        ],
    ),
    (
        Kind::Table,
        &[
            "{name,description,global,defaultSelector.CODE,keySerializer,valueSerializer}",
            "{partitions,extraTopicConfigs,options}",
            "window.{tumbling.{size,expires},hopping.{size,step,expires},relativeTo}",
            "window.{relativeToSelector,relativeToFieldSelector}.CODE",
        ],
    ),
    (
        Kind::WebView,
        &[
            "{name,description,request.{method,path}}",
            "response.{contentType,statusCode,headers}",
            "response.{bodySelector,statusCodeSelector,headersSelector}.{onSuccess,onError}.CODE",
            PROCESSORS,
        ],
    ),
    (Kind::Task, &["{name,description,onLeader,schedule.{cron,interval,timezone}}", PROCESSORS]),
    (Kind::Join, &["{name,description,leftTable,rightTable,extractor.CODE,type,outputChannel}"]),
];

fn check_each(mut check: impl FnMut(&str, &Value)) {
    for kind in Kind::ALL {
        walk(spec_schema(kind), &format!("{kind}.spec"), &mut check);
        walk(&property_of(&kind.crd(), "status"), &format!("{kind}.status"), &mut check);
    }
}

fn walk(schema: &Value, path: &str, check: &mut impl FnMut(&str, &Value)) {
    check(path, schema);
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        walk(child, &format!("{path}.{name}"), check);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), check);
    }
    if schema["additionalProperties"].is_object() {
        walk(&schema["additionalProperties"], &format!("{path}.*"), check);
    }
}

/// Whether the schema at this path is Kubernetes' own.
fn is_below_kubernetes(path: &str) -> bool {
    let below =
        |field: &str| path.contains(&format!(".{field}[]")) || path.contains(&format!(".{field}."));
    EMBEDDED.into_iter().any(below)
}

/// `a.{b,c}` says both `a.b` and `a.c`.
fn spread(text: &str) -> Vec<String> {
    let Some(open) = text.find('{') else { return vec![text.to_owned()] };
    let mut depth = 0;
    let mut parts = vec![open + 1];
    let close = text[open..].char_indices().find_map(|(at, char)| {
        depth += i32::from(char == '{') - i32::from(char == '}');
        if char == ',' && depth == 1 {
            parts.push(open + at + 1);
        }
        (depth == 0).then_some(open + at)
    });
    let close = close.expect("each brace is closed");
    let ends = parts.iter().skip(1).map(|start| start - 1).chain([close]);
    let one = |(start, end): (&usize, usize)| {
        spread(&format!("{}{}{}", &text[..open], text[*start..end].trim(), &text[close + 1..]))
    };
    parts.iter().zip(ends).flat_map(one).collect()
}

#[test]
fn every_field_of_the_original_is_declared() {
    let mut declared = BTreeMap::new();
    check_each(|path, schema| drop(declared.insert(path.to_owned(), schema.clone())));
    for (kind, fields) in FIELDS {
        for field in fields {
            let field = field.replace("TOPIC_OUT", TOPIC_OUT).replace("CODE", CODE);
            for path in spread(&field) {
                let path = format!("{kind}.spec.{path}");
                assert!(declared.contains_key(&path), "{path}");
            }
        }
    }
}

#[test]
fn schemas_are_structural() {
    check_each(|path, schema| {
        let schema = schema.as_object().unwrap_or_else(|| panic!("{path} is no schema"));
        let open = schema.contains_key("x-kubernetes-preserve-unknown-fields");
        let two_types = schema.contains_key("x-kubernetes-int-or-string");
        assert!(open || two_types || schema["type"].is_string(), "{path} has no type");
        for word in ["$ref", "$defs", "nullable", "anyOf", "oneOf", "allOf", "not", "const"] {
            assert!(!schema.contains_key(word), "{path} has {word}");
        }
        let format = schema.get("format").and_then(Value::as_str).unwrap_or("int32");
        assert!(["int32", "int64", "date-time", "byte"].contains(&format), "{path}: {format}");
        assert!(
            !(schema.contains_key("properties") && schema.contains_key("additionalProperties")),
            "{path} has both"
        );
    });
}

#[test]
fn nothing_of_ours_is_without_a_bound() {
    check_each(|path, schema| {
        if is_below_kubernetes(path) {
            return;
        }
        let bounded = match schema["type"].as_str() {
            Some("string") => {
                ["maxLength", "enum", "format"].iter().any(|word| !schema[word].is_null())
            }
            Some("array") => schema["maxItems"].is_u64() || schema["maxItems"].is_i64(),
            Some("object") => schema["properties"].is_object() || schema["maxProperties"].is_i64(),
            Some(_) | None => true,
        };
        assert!(bounded, "{path}: {schema}");
    });
}

#[test]
fn every_field_of_ours_says_what_it_is() {
    check_each(|path, schema| {
        let nameless = path.ends_with("[]") || path.ends_with(".*");
        assert!(
            is_below_kubernetes(path) || nameless || schema["description"].is_string(),
            "{path}"
        );
        let text = schema["description"].as_str().unwrap_or_default();
        assert!(!text.contains('\n'), "{path}: a description for the code alone is in the schema");
    });
}

#[test]
fn enumerations_are_those_of_the_original() {
    let mut enums = BTreeMap::new();
    check_each(|path, schema| {
        if let Some(values) = schema["enum"].as_array() {
            let words: Vec<_> = values.iter().map(|value| value.as_str().unwrap_or("?")).collect();
            enums.insert(path.to_owned(), words.join(" "));
        }
    });
    let expected = [
        ("KasprApp.spec.authentication.type", "scram-sha-256 scram-sha-512 plain"),
        ("KasprApp.spec.storage.type", "ephemeral persistent-claim"),
        ("KasprApp.spec.pythonPackages.cache.type", "pvc gcs"),
        ("KasprApp.spec.pythonPackages.cache.accessMode", "ReadWriteMany"),
        ("KasprApp.spec.pythonPackages.installPolicy.onFailure", "block allow"),
        ("KasprApp.status.conditions[].status", "True False Unknown"),
        ("KasprAgent.spec.input.topic.keySerializer", "raw json pickle binary"),
        ("KasprAgent.spec.output.topics[].valueSerializer", "raw json pickle binary"),
        ("KasprTable.spec.keySerializer", "raw json"),
        ("KasprTable.spec.window.relativeTo", "stream now custom"),
        ("KasprWebView.spec.request.method", "GET POST PUT DELETE PATCH HEAD OPTIONS"),
        (
            "KasprWebView.spec.response.contentType",
            "text/html application/json text/plain application/octet-stream",
        ),
        ("KasprJoin.spec.type", "inner left"),
    ];
    for (path, words) in expected {
        assert_eq!(enums.get(path).map(String::as_str), Some(words), "{path}");
    }
}

#[test]
fn defaults_are_those_of_the_original_and_no_others() {
    let mut defaults = BTreeMap::new();
    check_each(|path, schema| {
        if let Some(value) = schema.get("default") {
            defaults.insert(path.to_owned(), value.to_string());
        }
    });
    let expected = [
        ("KasprAgent.spec.isolatedPartitions", "false"),
        ("KasprApp.spec.pythonPackages.cache.accessMode", r#""ReadWriteMany""#),
        ("KasprApp.spec.pythonPackages.cache.enabled", "false"),
        ("KasprApp.spec.pythonPackages.cache.gcs.maxArchiveSize", r#""1Gi""#),
        ("KasprApp.spec.pythonPackages.cache.gcs.prefix", r#""kaspr-packages/""#),
        ("KasprApp.spec.pythonPackages.cache.gcs.secretRef.key", r#""sa.json""#),
        ("KasprApp.spec.pythonPackages.cache.type", r#""pvc""#),
        ("KasprApp.spec.pythonPackages.credentials.secretRef.passwordKey", r#""password""#),
        ("KasprApp.spec.pythonPackages.credentials.secretRef.usernameKey", r#""username""#),
        ("KasprJoin.spec.type", r#""inner""#),
        ("KasprTask.spec.onLeader", "false"),
    ];
    let expected = expected.map(|(path, value)| (path.to_owned(), value.to_owned()));
    assert_eq!(defaults, BTreeMap::from(expected));
}

#[test]
fn required_fields_are_those_of_the_original() {
    let expected = [
        (Kind::App, "authentication bootstrapServers"),
        (Kind::Agent, "input"),
        (Kind::Table, "name"),
        (Kind::WebView, "name request"),
        (Kind::Task, "name processors"),
        (Kind::Join, "extractor leftTable rightTable"),
    ];
    for (kind, fields) in expected {
        let required = spec_schema(kind)["required"].as_array().cloned().unwrap_or_default();
        let mut required: Vec<_> = required.iter().filter_map(Value::as_str).collect();
        required.sort_unstable();
        assert_eq!(required.join(" "), fields, "{kind}");
    }
}

#[test]
fn objects_that_lost_their_content_keep_it() {
    let mut closed = Vec::new();
    check_each(|path, schema| {
        let keeps = ["properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields"];
        if schema["type"] == "object" && keeps.iter().all(|word| schema[word].is_null()) {
            closed.push(path.to_owned());
        }
    });
    assert_eq!(closed, Vec::<String>::new());
}
