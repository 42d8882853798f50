//! Which models can be reached by `<provider>/<model>`: those of the providers that are configured with
//! a usable credential, and of the servers that run on this machine.

use std::{collections::HashSet, sync::Arc};

use futures_util::future::join_all;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    Gateway,
    destination::Destination,
    limits::{LISTING_KEPT, LISTING_WAIT},
    route::Routes,
};

/// A provider that clients can ask for by its name, and its models by the names that it gives them;
/// or why it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderModels {
    /// The provider's id.
    pub provider: String,
    /// Its models.
    pub models: Result<Arc<[String]>, String>,
}

/// What a provider told of its models, and when. It is forgotten with a change of the configuration.
#[derive(Default)]
pub(crate) struct ModelsKept(Mutex<Option<Told>>);

struct Told {
    at: Instant,
    models: Result<Arc<[String]>, String>,
}

impl Gateway {
    /// The models that clients can ask for by `<provider>/<model>`. The providers are asked all at
    /// once, each for at most [`LISTING_WAIT`], and not again within [`LISTING_KEPT`].
    pub async fn reachable(&self) -> Vec<ProviderModels> {
        models_of_all(self, &self.routes.load_full(), None).await
    }
}

/// The same by `routes`, without the provider `but`.
pub(crate) async fn models_of_all(
    gateway: &Gateway,
    routes: &Routes,
    but: Option<&str>,
) -> Vec<ProviderModels> {
    let asked = routes.named().iter().filter(|it| Some(&*it.id) != but);
    let told = asked.map(|destination| async {
        let models = models_kept(gateway, destination).await;
        ProviderModels { provider: destination.id.as_ref().to_owned(), models }
    });
    let mut all = join_all(told).await;
    let unavailable = routes.unavailable().filter(|(id, _)| Some(*id) != but);
    all.extend(
        unavailable.map(|(id, why)| ProviderModels {
            provider: id.to_owned(),
            models: Err(why.to_owned()),
        }),
    );
    all
}

async fn models_kept(
    gateway: &Gateway,
    destination: &Arc<Destination>,
) -> Result<Arc<[String]>, String> {
    // Whoever comes while it is asked waits for the same answer.
    let mut kept = destination.told.0.lock().await;
    if let Some(told) = kept.as_ref().filter(|it| it.at.elapsed() < LISTING_KEPT) {
        return told.models.clone();
    }
    let models = gateway.models_at(destination, LISTING_WAIT).await;
    let models = models.map(|it| each_once(it).into()).map_err(|it| it.to_string());
    *kept = Some(Told { at: Instant::now(), models: models.clone() });
    models
}

/// Some providers list a model once for each of its formats.
fn each_once(mut models: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::with_capacity(models.len());
    models.retain(|it| seen.insert(it.clone()));
    models
}
