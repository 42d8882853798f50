//! Lists of models: what a provider answers, with the user's own models and other providers' in it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, request};
use tollgate_core::{Format, Operation};
use tollgate_wire::{coding::decode, model_entry, models_list};

use crate::{
    ProviderModels,
    route::{Asked, Routes},
};

/// Query members of the pages behind the first: the user's own models stand in that.
const LATER_PAGES: [&str; 3] = ["after_id=", "before_id=", "pageToken="];

/// A list in the client's format: the user's own models, and those of other providers.
pub(crate) struct Listing {
    format: Format,
    names: Vec<Arc<str>>,
    /// The providers whose models are asked for by `<id>/<model>`: such names lead to no other.
    taken: Vec<Arc<str>>,
}

/// How a request for models is answered.
pub(crate) enum Listed {
    /// By the provider, with the user's own models and other providers' in its list.
    With(Listing),
    /// By the gateway alone: one of the user's own models is asked for.
    Own(Bytes),
}

impl Listing {
    /// Puts providers' models into it, by the names that clients ask for them by.
    pub(crate) fn add(&mut self, providers: &[ProviderModels]) {
        for ProviderModels { provider, models } in providers {
            let models = models.iter().flat_map(|it| it.iter());
            self.names.extend(models.map(|it| Arc::from(format!("{provider}/{it}"))));
        }
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The list as the client gets it; `provider` is what the provider answered.
    pub(crate) fn body(&self, provider: Option<&[u8]>) -> Bytes {
        let names: Vec<&str> = self.names.iter().map(|it| &**it).collect();
        let elsewhere = |name: &str| {
            let prefix = name.split_once('/').map(|(prefix, _)| prefix);
            prefix.is_some_and(|it| self.taken.iter().any(|taken| &**taken == it))
        };
        models_list(self.format, provider, &names, elsewhere).into()
    }

    /// The same of a body that may be compressed, of which at most `bytes_max` bytes are read.
    pub(crate) fn of_coded(
        &self,
        provider: &[u8],
        coding: Option<&str>,
        bytes_max: usize,
    ) -> Bytes {
        self.body(decode(provider, coding, bytes_max).as_deref())
    }
}

/// What the user's own models have to do with a request; `None`: nothing.
pub(crate) fn listed(head: &request::Parts, asked: &Asked, routes: &Routes) -> Option<Listed> {
    let lists = |it: &&tollgate_wire::Route| it.operation == Operation::ListModels;
    let route = asked.route.as_ref().filter(lists)?;
    if head.method != Method::GET || asked.names_provider() {
        return None;
    }
    if let Some(name) = &route.model_in_path {
        routes.model(asked, name)?;
        return Some(Listed::Own(model_entry(route.format, name).into()));
    }
    let query = head.uri.query().unwrap_or_default();
    if query.split('&').any(|it| LATER_PAGES.iter().any(|page| it.starts_with(page))) {
        return None;
    }
    let names: Vec<_> = routes.models().map(|it| Arc::clone(&it.name)).collect();
    let unavailable = routes.unavailable().map(|(id, _)| Arc::from(id));
    let taken = routes.named().iter().map(|it| Arc::clone(&it.id)).chain(unavailable).collect();
    Some(Listed::With(Listing { format: route.format, names, taken }))
}
