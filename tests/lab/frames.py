"""Programs for a guest's root that write frames and packets by hand."""

FRAME = """\
import socket, struct, sys
# Ethernet, IPv4 and UDP by hand: argv = frame source, IP source, IP destination, bytes, fragments
mac, source, target, size, pieces = sys.argv[1:]
gateway = open("/proc/net/arp").read().split("192.168.64.1 ")[1].split()[2]
body = struct.pack("!HHHH", 4000, 4001, 8 + int(size), 0) + bytes(int(size))
step = 8 * (len(body) // int(pieces) // 8 + 1)
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as line:
    line.bind(("en0", 0))
    for start in range(0, len(body), step):
        piece = body[start : start + step]
        more = 0x2000 if start + step < len(body) else 0
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(piece), 77, more | start // 8, 64, 17, 0)
        head += socket.inet_aton(source) + socket.inet_aton(target)
        total = sum(struct.unpack("!10H", head))
        total = (total >> 16) + (total & 0xFFFF)
        head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
        ends = bytes.fromhex(gateway.replace(":", "") + mac.replace(":", ""))
        line.send(ends + bytes([8, 0]) + head + piece)
"""
RAW = """\
import socket, struct, sys
head = struct.pack("!BBHHHBBH", 0x45, 0, 0, 1, 0, 64, int(sys.argv[1]), 0)
head += socket.inet_aton(sys.argv[2]) + socket.inet_aton(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as line:
    line.sendto(head + bytes(8), (sys.argv[3], 0))
"""
ADVERTISE = """\
import socket, struct
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 86400, 0)
prefix += socket.inet_pton(socket.AF_INET6, "2001:db8:bad::")
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as line:
    line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("en0"))
    line.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix, ("ff02::1", 0))
"""
