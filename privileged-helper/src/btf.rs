//! Where the running kernel keeps a field: its own type description, BTF.
//!
//! The format is `Documentation/bpf/btf.rst` of Linux: a header, then records of types, then
//! strings. Only structures, unions and what leads to them are read.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use tollgate_bpf_abi::Offsets;

/// The running kernel's types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// Nested anonymous structures are followed no deeper than this.
const DEPTH_MAX: u32 = 8;
const MAGIC: u16 = 0xeb9f;

const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;

/// A structure or union, or a name for another type.
enum Type {
    Members(Vec<Member>),
    Alias(u32),
    Other,
}

struct Member {
    name: u32,
    type_id: u32,
    bit: u32,
}

/// A kernel's structures by name.
pub(crate) struct Types<'a> {
    strings: &'a [u8],
    types: Vec<Type>,
    structs: HashMap<&'a [u8], usize>,
}

/// Reads the offsets that the programs need. `None` when the kernel has no BTF.
///
/// # Errors
/// When there is BTF that cannot be read, or lacks one of the fields.
pub(crate) fn offsets() -> anyhow::Result<Option<Offsets>> {
    if !Path::new(VMLINUX).exists() {
        return Ok(None);
    }
    let bytes = fs::read(VMLINUX).with_context(|| format!("could not read `{VMLINUX}`"))?;
    let types = Types::parse(&bytes)?;
    let at = |structure: &str, field: &str| types.offset(structure, field).map(u64::from);
    let v6_pair = at("sock_common", "skc_v6_daddr")?;
    if at("sock_common", "skc_v6_rcv_saddr")? != v6_pair + 16 {
        bail!("this kernel keeps a socket's two IPv6 addresses apart");
    }
    Ok(Some(Offsets {
        task_group_leader: at("task_struct", "group_leader")?,
        task_start_boottime: at("task_struct", "start_boottime")?,
        task_pid: at("task_struct", "pid")?,
        task_tgid: at("task_struct", "tgid")?,
        task_real_parent: at("task_struct", "real_parent")?,
        task_cred: at("task_struct", "cred")?,
        cred_euid: at("cred", "euid")?,
        task_mm: at("task_struct", "mm")?,
        task_signal: at("task_struct", "signal")?,
        signal_live: at("signal_struct", "live")?,
        mm_arg_start: at("mm_struct", "arg_start")?,
        mm_arg_end: at("mm_struct", "arg_end")?,
        binprm_filename: at("linux_binprm", "filename")?,
        sock_uid: at("sock", "sk_uid")?,
        sock_protocol: at("sock", "sk_protocol")?,
        sock_family: at("sock_common", "skc_family")?,
        sock_num: at("sock_common", "skc_num")?,
        sock_dport: at("sock_common", "skc_dport")?,
        sock_addrpair_plus_1: at("sock_common", "skc_addrpair")? + 1,
        sock_v6_pair: v6_pair,
        sock_net: at("sock_common", "skc_net")?,
        net_cookie: at("net", "net_cookie")?,
        has_btf: 1,
    }))
}

impl<'a> Types<'a> {
    /// Reads the type records of a whole BTF blob.
    pub(crate) fn parse(bytes: &'a [u8]) -> anyhow::Result<Self> {
        let header = Reader { bytes, at: 0 };
        if header.u16(0)? != MAGIC {
            bail!("`{VMLINUX}` is not BTF of this machine's byte order");
        }
        let body = usize::try_from(header.u32(4)?)?;
        let part = |offset: usize, length: usize| -> anyhow::Result<&'a [u8]> {
            let start = body + usize::try_from(header.u32(offset)?)?;
            let end = start + usize::try_from(header.u32(length)?)?;
            bytes.get(start..end).context("BTF is cut short")
        };
        let (records, strings) = (part(8, 12)?, part(16, 20)?);
        let mut types = Self { strings, types: vec![Type::Other], structs: HashMap::new() };
        let mut reader = Reader { bytes: records, at: 0 };
        while reader.at < records.len() {
            let (name, kind) = Self::read_type(&mut reader)?;
            if matches!(kind, Type::Members(_)) && name != 0 {
                types.structs.entry(string(strings, name)).or_insert(types.types.len());
            }
            types.types.push(kind);
        }
        Ok(types)
    }

    /// Reads one record and steps over what follows it.
    fn read_type(reader: &mut Reader<'_>) -> anyhow::Result<(u32, Type)> {
        let (name, info, size) = (reader.u32(0)?, reader.u32(4)?, reader.u32(8)?);
        let (count, kind) = (usize::try_from(info & 0xffff)?, (info >> 24) & 0x1f);
        reader.at += 12;
        let mut read = Type::Other;
        let trailing = match kind {
            KIND_STRUCT | KIND_UNION => {
                let packed_bits = info >> 31 != 0;
                read = Type::Members(reader.members(count, packed_bits)?);
                count * 12
            }
            KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST => {
                read = Type::Alias(size);
                0
            }
            KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
            KIND_ARRAY => 12,
            KIND_ENUM | KIND_FUNC_PROTO => count * 8,
            KIND_DATASEC | KIND_ENUM64 => count * 12,
            _ => 0,
        };
        reader.at += trailing;
        Ok((name, read))
    }

    /// The offset in bytes of a field of a structure, through anonymous structures in it.
    ///
    /// # Errors
    /// When either does not exist, or the field is not on a byte boundary.
    pub(crate) fn offset(&self, structure: &str, field: &str) -> anyhow::Result<u32> {
        let id = *self
            .structs
            .get(structure.as_bytes())
            .with_context(|| format!("this kernel has no `{structure}`"))?;
        let bit = self
            .find(id, field.as_bytes(), DEPTH_MAX)
            .with_context(|| format!("this kernel's `{structure}` has no `{field}`"))?;
        if bit % 8 != 0 {
            bail!("this kernel's `{structure}.{field}` is a bit field");
        }
        Ok(bit / 8)
    }

    fn find(&self, id: usize, field: &[u8], depth: u32) -> Option<u32> {
        let depth = depth.checked_sub(1)?;
        match self.types.get(id)? {
            Type::Members(members) => members.iter().find_map(|member| {
                if member.name == 0 {
                    let inner = usize::try_from(member.type_id).ok()?;
                    return Some(member.bit + self.find(inner, field, depth)?);
                }
                (string(self.strings, member.name) == field).then_some(member.bit)
            }),
            Type::Alias(id) => self.find(usize::try_from(*id).ok()?, field, depth),
            Type::Other => None,
        }
    }
}

fn string(strings: &[u8], offset: u32) -> &[u8] {
    let rest = usize::try_from(offset).ok().and_then(|offset| strings.get(offset..));
    rest.and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn u16(&self, offset: usize) -> anyhow::Result<u16> {
        let rest = self.bytes.get(self.at + offset..).and_then(|rest| rest.first_chunk());
        rest.map(|bytes| u16::from_ne_bytes(*bytes)).context("BTF is cut short")
    }

    fn u32(&self, offset: usize) -> anyhow::Result<u32> {
        let rest = self.bytes.get(self.at + offset..).and_then(|rest| rest.first_chunk());
        rest.map(|bytes| u32::from_ne_bytes(*bytes)).context("BTF is cut short")
    }

    /// The members of a structure; with `packed_bits`, an offset carries a bit field's width in
    /// its upper eight bits.
    fn members(&self, count: usize, packed_bits: bool) -> anyhow::Result<Vec<Member>> {
        let mask = if packed_bits { 0x00ff_ffff } else { u32::MAX };
        (0..count)
            .map(|n| {
                let (name, type_id) = (self.u32(n * 12)?, self.u32(n * 12 + 4)?);
                Ok(Member { name, type_id, bit: self.u32(n * 12 + 8)? & mask })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A blob with the given type records and strings.
    fn blob(records: &[u32], strings: &[u8]) -> Vec<u8> {
        let record_bytes: Vec<u8> = records.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let lengths = [record_bytes.len(), strings.len()].map(|n| u32::try_from(n).unwrap());
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        for word in [24, 0, lengths[0], lengths[0], lengths[1]] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(record_bytes);
        bytes.extend(strings);
        bytes
    }

    /// `struct s { int a; union { int b; const struct { int pad; int c; } }; int d : 3 at bit 67 }`
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0s\0a\0b\0c\0d\0pad\0";
        let (int, s, a, b, c, d, pad) = (1, 5, 7, 9, 11, 13, 15);
        let info = |kind: u32, count: u32| kind << 24 | count;
        #[rustfmt::skip]
        let records = [
            int, info(KIND_INT, 0), 4, 32,                                  // 1
            0, info(KIND_STRUCT, 2), 8, pad, 1, 0, c, 1, 32,                // 2
            0, info(KIND_CONST, 0), 2,                                      // 3
            0, info(KIND_UNION, 2), 8, b, 1, 0, 0, 3, 0,                    // 4
            s, info(KIND_STRUCT, 3) | 1 << 31, 16, a, 1, 0, 0, 4, 32, d, 1, 3 << 24 | 67, // 5
        ];
        blob(&records, strings)
    }

    #[test]
    fn follows_anonymous_members_and_aliases() {
        let bytes = sample();
        let types = Types::parse(&bytes).unwrap();
        assert_eq!(types.offset("s", "a").unwrap(), 0);
        assert_eq!(types.offset("s", "b").unwrap(), 4);
        assert_eq!(types.offset("s", "c").unwrap(), 8);
        assert!(types.offset("s", "d").unwrap_err().to_string().contains("bit field"));
        assert!(types.offset("s", "e").unwrap_err().to_string().contains("has no `e`"));
        assert!(types.offset("t", "a").unwrap_err().to_string().contains("no `t`"));
    }

    #[test]
    fn refuses_any_cut_without_a_panic() {
        let bytes = sample();
        for end in 0..bytes.len() {
            assert!(Types::parse(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn reads_the_running_kernel() {
        if !Path::new(VMLINUX).exists() {
            eprintln!("skipped: this kernel has no BTF");
            return;
        }
        let offsets = offsets().unwrap().unwrap();
        assert_eq!(offsets.has_btf, 1);
        assert!(offsets.task_start_boottime > 0 && offsets.sock_addrpair_plus_1 == 1);
    }
}
