//! The HorizontalPodAutoscaler that starts an app slowly.
//!
//! Many members that join a consumer group at once destabilise its assignment. The StatefulSet
//! starts small, and the autoscaler, whose metric always wants more, grows it in steps.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::metadata::{Owner, app_labels, body, manifest, metadata};
use super::names::Names;
use crate::action::Manifest;
use crate::app::App;
use crate::key::{ObjectKind, ObjectRef};
use crate::settings::Settings;

/// HorizontalPodAutoscaler `<app>-app-hpa`, for an app that wants at least one member.
pub fn autoscaler(app: &App, owner: &Owner, names: &Names, settings: &Settings) -> Manifest {
    let scaler = HorizontalPodAutoscaler {
        metadata: metadata(owner, &names.autoscaler, app_labels(owner, &names.base), None),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "StatefulSet".to_owned(),
                name: names.base.clone(),
            },
            min_replicas: Some(1),
            max_replicas: app.replicas,
            metrics: Some(vec![always_more()]),
            behavior: Some(behavior(settings)),
        },
        ..HorizontalPodAutoscaler::default()
    };
    let body = body(&scaler);
    let object = ObjectRef::new(ObjectKind::Autoscaler, &owner.namespace, &names.autoscaler);
    manifest(object, body)
}

/// 1 MiB of memory on average: every worker uses more, so the answer is always the maximum.
fn always_more() -> MetricSpec {
    MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource {
            name: "memory".to_owned(),
            target: MetricTarget {
                type_: "AverageValue".to_owned(),
                average_value: Some(Quantity("1Mi".to_owned())),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

fn behavior(settings: &Settings) -> HorizontalPodAutoscalerBehavior {
    let policy = |type_: &str, value, period_seconds| HPAScalingPolicy {
        type_: type_.to_owned(),
        value,
        period_seconds,
    };
    let rules = |policies| HPAScalingRules {
        policies: Some(policies),
        select_policy: Some("Max".to_owned()),
        stabilization_window_seconds: Some(0),
        ..HPAScalingRules::default()
    };
    let period = settings.step_period_seconds;
    HorizontalPodAutoscalerBehavior {
        scale_up: Some(rules(vec![
            policy("Percent", 100, period),
            policy("Pods", settings.pods_per_step, period),
        ])),
        scale_down: Some(rules(vec![policy("Percent", 100, 1)])),
    }
}
