//! Metrics that say who the member is and what it is set to.

use crate::metrics::families::Page;
use crate::{Api, Feature};

/// All of them.
pub(super) fn write(api: &Api, features: &[Feature], page: &mut Page) {
    let id = api.member_id.to_string();
    page.gauges("etcd_server_id", "This member.", [(vec![("server_id", &*id)], 1.0)]);
    let version = [(vec![("server_version", api.versions.server)], 1.0)];
    page.gauges("etcd_server_version", "The version that this server behaves like.", version);
    let features = features.iter().map(|Feature { name, stage, is_on }| {
        (vec![("name", *name), ("stage", *stage)], f64::from(u8::from(*is_on)))
    });
    page.gauges("etcd_server_feature_enabled", "Feature gates, 1 if open.", features);
}
