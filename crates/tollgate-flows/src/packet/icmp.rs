//! ICMP, as far as a flow list needs it: type, code and their names (RFC 792, RFC 4443).

use super::{
    Protocol,
    layer::{Fields, Layer},
};

pub(super) const NUMBER_V4: u8 = 1;
pub(super) const NUMBER_V6: u8 = 58;
pub(super) const HEADER_LEN: usize = 8;

fn type_name(protocol: Protocol, kind: u8) -> Option<&'static str> {
    let names: &[(u8, &str)] = if protocol == Protocol::Icmpv6 {
        &[
            (1, "destination unreachable"),
            (2, "packet too big"),
            (3, "time exceeded"),
            (4, "parameter problem"),
            (128, "echo request"),
            (129, "echo reply"),
            (133, "router solicitation"),
            (134, "router advertisement"),
            (135, "neighbour solicitation"),
            (136, "neighbour advertisement"),
        ]
    } else {
        &[
            (0, "echo reply"),
            (3, "destination unreachable"),
            (5, "redirect"),
            (8, "echo request"),
            (11, "time exceeded"),
            (12, "parameter problem"),
        ]
    };
    names.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

pub(super) fn in_one_line(protocol: Protocol, header: &[u8]) -> String {
    match *header {
        [kind, code, ..] => type_name(protocol, kind).map_or_else(
            || format!("type {kind} code {code}"),
            |name| format!("{name} (code {code})"),
        ),
        _ => "header cut off".to_owned(),
    }
}

pub(super) fn layer(protocol: Protocol, header: &[u8], at: usize) -> Layer {
    let mut fields = Fields::default();
    if let [kind, code, ..] = *header {
        let name = type_name(protocol, kind).unwrap_or("unnamed here");
        fields.at("Type", format!("{kind} ({name})"), at..at + 1);
        fields.at("Code", code.to_string(), at + 1..at + 2);
    }
    let name = if protocol == Protocol::Icmpv6 { "ICMPv6" } else { "ICMP" };
    fields.into_layer(name, in_one_line(protocol, header))
}
