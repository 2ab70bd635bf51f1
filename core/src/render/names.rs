//! The names of an app's objects.

/// The names of the objects of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `<app>`.
    pub app: String,
    /// `<app>-app`: StatefulSet, headless Service, ServiceAccount, and the worker's own name.
    pub base: String,
    /// `<app>-app-api`: the Service that clients use.
    pub api_service: String,
    /// `<app>-app-config`: the ConfigMap of settings.
    pub settings: String,
    /// `<app>-app-hpa`.
    pub autoscaler: String,
    /// `<app>-app-joins`: the ConfigMap of the file with all joins and tables.
    pub joins: String,
    /// `<app>-app-packages`: the volume of Python packages.
    pub packages_volume: String,
    /// `<app>-app-python-packages`: the claim of Python packages that all members share.
    pub packages_claim: String,
    /// `<app>-app-pv`: the claim template, and the volume of tables.
    pub volume: String,
}

impl Names {
    /// The names for the app `app`.
    pub fn of(app: &str) -> Self {
        let base = format!("{app}-app");
        Self {
            app: app.to_owned(),
            api_service: format!("{base}-api"),
            settings: format!("{base}-config"),
            autoscaler: format!("{base}-hpa"),
            joins: format!("{base}-joins"),
            packages_volume: format!("{base}-packages"),
            packages_claim: format!("{base}-python-packages"),
            volume: format!("{base}-pv"),
            base,
        }
    }
}
