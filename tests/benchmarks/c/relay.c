/*
 * The floor: a WebSocket relay in C on epoll, plain TCP, one thread, no dependency.
 *
 * It pairs clients in the order in which they finish the handshake, unmasks the text and binary
 * frames of each and hands them to its peer. It has no JSON, rooms, TLS, heartbeats or limits,
 * so nothing that does the server's whole work can cost less. A peer that does not read is
 * dropped; fragments are forwarded as they come.
 *
 * Usage: relay PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 65536, BUFFER = 65536 };

struct client {
    int open, peer;       /* peer: a descriptor, -1 while there is none */
    char *rest;           /* the beginning of a request or frame that is not complete yet */
    size_t rest_size;
};

static struct client clients[MAX_FDS];
static int epoll, waiting = -1;

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* SHA-1 of a message of at most 119 bytes. */
static void sha1(const char *text, size_t size, unsigned char digest[20])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char m[128] = {0};
    size_t total = size + 9 <= 64 ? 64 : 128;
    memcpy(m, text, size);
    m[size] = 0x80;
    m[total - 2] = (unsigned char)(size * 8 >> 8);
    m[total - 1] = (unsigned char)(size * 8);
    for (size_t block = 0; block < total; block += 64) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++) {
            const unsigned char *p = m + block + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
            uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
            uint32_t next = rotate(a, 5) + f + e + k + w[i];
            e = d, d = c, c = rotate(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - i % 4 * 8));
}

static void base64(const unsigned char digest[20], char text[29])
{
    const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0, j = 0; i < 21; i += 3, j += 4) {
        uint32_t n = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 | (i + 2 < 20 ? digest[i + 2] : 0);
        for (int k = 0; k < 4; k++) text[j + k] = letters[n >> (18 - 6 * k) & 63];
    }
    strcpy(text + 27, "=");
}

static void drop(int fd)
{
    struct client *client = &clients[fd];
    if (client->peer >= 0) clients[client->peer].peer = -1;
    if (waiting == fd) waiting = -1;
    free(client->rest);
    *client = (struct client){.peer = -1};
    close(fd);
}

/* Answer the upgrade request: the bytes it took, 0 if it is not complete, -1 if it is none. */
static long handshake(int fd, char *data, size_t size)
{
    char joined[128], reply[256];
    unsigned char digest[20];
    char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *key = strcasestr(data, "\r\nSec-WebSocket-Key:");
    if (!key) return -1;
    key += strlen("\r\nSec-WebSocket-Key:");
    key += strspn(key, " ");
    snprintf(joined, sizeof joined, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1(joined, strlen(joined), digest);
    base64(digest, joined);
    int length = snprintf(reply, sizeof reply, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", joined);
    if (send(fd, reply, (size_t)length, MSG_NOSIGNAL) != length) return -1;
    clients[fd].open = 1;
    clients[fd].peer = waiting;
    if (waiting >= 0) clients[waiting].peer = fd, waiting = -1;
    else waiting = fd;
    return end + 4 - data;
}

/* Unmask one frame into `out` as a server frame: the bytes it took, 0 if it is not complete, -1 to close. */
static long frame(unsigned char *data, size_t size, unsigned char *out, size_t *out_size)
{
    size_t header = 2, length;
    if (size < 2) return 0;
    length = data[1] & 127;
    if (!(data[1] & 128) || length == 127) return -1;
    if (length == 126) {
        header = 4;
        if (size < 4) return 0;
        length = (size_t)data[2] << 8 | data[3];
    }
    if (header + 4 + length > BUFFER) return -1;
    if (size < header + 4 + length) return 0;
    uint64_t mask = 0, word;
    const unsigned char *from = data + header + 4;
    unsigned char *to = out + header;
    size_t i = 0;
    memcpy(out, data, header);
    out[1] &= 127;
    memcpy(&mask, data + header, 4);
    mask |= mask << 32;
    for (; i + 8 <= length; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= mask;
        memcpy(to + i, &word, 8);
    }
    for (; i < length; i++) to[i] = from[i] ^ data[header + i % 4];
    *out_size = header + length;
    return (long)(header + 4 + length);
}

static void readable(int fd)
{
    static unsigned char in[2 * BUFFER], out[2 * BUFFER];
    struct client *client = &clients[fd];
    size_t size = client->rest_size, done = 0, out_size = 0;
    long taken = 1;
    ssize_t got = recv(fd, in + size, sizeof in - size, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { drop(fd); return; }
    if (size) memcpy(in, client->rest, size);
    free(client->rest);
    client->rest = NULL, client->rest_size = 0;
    size += (size_t)got;
    while (taken > 0 && done < size) {
        unsigned char *data = in + done;
        size_t made;
        if (!client->open) {
            taken = handshake(fd, (char *)data, size - done);
        } else if ((taken = frame(data, size - done, out + out_size, &made)) > 0) {
            int opcode = data[0] & 15;
            if (opcode == 8) taken = -1;
            if (opcode == 9) {
                out[out_size] = 0x8a;
                send(fd, out + out_size, made, MSG_NOSIGNAL);
            }
            if (opcode < 8) out_size += made;
        }
        if (taken > 0) done += (size_t)taken;
    }
    if (out_size && client->peer >= 0 && send(client->peer, out, out_size, MSG_NOSIGNAL) != (ssize_t)out_size)
        drop(client->peer);
    if (taken < 0 || size - done > BUFFER) { drop(fd); return; }
    if (done < size) {
        client->rest_size = size - done;
        client->rest = memcpy(malloc(client->rest_size), in + done, client->rest_size);
    }
}

int main(int count, char **words)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event events[256];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    if (count != 2) return fprintf(stderr, "usage: relay PORT\n"), 2;
    address.sin_port = htons((uint16_t)atoi(words[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) return perror("relay"), 1;
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){EPOLLIN, {.fd = listener}});
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) { readable(fd); continue; }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (fd >= MAX_FDS) { close(fd); continue; }
                clients[fd] = (struct client){.peer = -1};
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){EPOLLIN, {.fd = fd}});
            }
        }
    }
}
