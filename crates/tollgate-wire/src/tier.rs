//! Service tiers, in the words of each provider.

use serde::{Deserialize, Deserializer};
use tollgate_core::ServiceTier;

use crate::lenient::Text;

/// A tier's name as a member of an answer; absent when it names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tier(pub(crate) Option<ServiceTier>);

impl Tier {
    /// OpenAI's and Anthropic's `service_tier`, Anthropic's `speed`, Gemini's `serviceTier` and
    /// Vertex' `trafficType`. `auto` is what was asked, not what was served.
    fn named(name: &str) -> Self {
        Self(match name.to_ascii_lowercase().as_str() {
            "auto" | "unspecified" | "traffic_type_unspecified" => None,
            "default" | "standard" | "on_demand" => Some(ServiceTier::Standard),
            "flex" | "on_demand_flex" => Some(ServiceTier::Flex),
            "priority" | "on_demand_priority" => Some(ServiceTier::Priority),
            "batch" => Some(ServiceTier::Batch),
            _ => Some(ServiceTier::Other),
        })
    }

    /// This one, unless it is none or the standard one and the other says more.
    pub(crate) fn or_apart(self, other: Self) -> Self {
        match self.0 {
            None | Some(ServiceTier::Standard) => Self(other.0.or(self.0)),
            Some(_) => self,
        }
    }
}

impl<'de> Deserialize<'de> for Tier {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let name = Text::deserialize(source)?;
        Ok(name.filled().map_or(Self(None), Self::named))
    }
}

/// Anthropic's `inference_geo`: a region that was asked for has a price of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Geo(pub(crate) Tier);

impl<'de> Deserialize<'de> for Geo {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let name = Text::deserialize(source)?;
        Ok(Self(Tier(match name.filled() {
            None | Some("global" | "not_available") => None,
            Some(_) => Some(ServiceTier::Other),
        })))
    }
}
