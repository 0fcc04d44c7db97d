"""Shared objects with device code in them that no compiler made: for tests of who reads it."""
from mtp import fatbin

CODE_BYTES = 24


def entry(kind, architecture):
    """One entry of a container: its header and some bytes of code."""
    return fatbin.ENTRY.pack(kind, 0x101, fatbin.ENTRY.size, CODE_BYTES, 0, 0, 0, 0, architecture) + bytes(CODE_BYTES)


def container(architectures, ptx=0):
    """One container with machine code for each of ``architectures`` (86), and PTX for one."""
    body = b''.join(entry(fatbin.CODE, each) for each in architectures)
    body += entry(fatbin.PTX, ptx) if ptx else b''
    return fatbin.CONTAINER.pack(fatbin.MAGIC, 1, fatbin.CONTAINER.size, len(body)) + body


def shared_object(containers, ptx=0):
    """Bytes of an ELF file whose section of device code holds these; without any it has no such section."""
    names = b'\0' + fatbin.SECTION.encode('ascii') + b'\0.shstrtab\0'
    code = b''.join(container(each, ptx) + bytes(8) for each in containers)  # what a linker leaves between them
    begin = fatbin.ELF.size
    rows = [fatbin.ROW.pack(*[0] * 10)]
    rows += [fatbin.ROW.pack(1, 1, 0, 0, begin, len(code), 0, 0, 8, 0)] if containers else []
    rows.append(fatbin.ROW.pack(len(fatbin.SECTION) + 2, 3, 0, 0, begin + len(code), len(names), 0, 0, 1, 0))
    head = fatbin.ELF.pack(b'\x7fELF\x02\x01\x01' + bytes(9), 3, 62, 1, 0, 0, begin + len(code) + len(names), 0,
                           fatbin.ELF.size, 0, 0, fatbin.ROW.size, len(rows), len(rows) - 1)
    return head + code + names + b''.join(rows)
