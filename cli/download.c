/* SPDX-License-Identifier: Apache-2.0
 *
 * Downloading through libcurl, which is opened at run time: telar does not depend on it, nor does any other command wait for its two
 * dozen libraries to load. Without its headers at build time, or the library at run time, there is an error that says what to do.
 */
#include "config.h"

#include "cli/download.h"

#include <strings.h>

tl_status download_check(const char *url)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i]);
        if (strncasecmp(url, schemes[i], n) == 0 && url[n] && url[n] != '/')
            return TL_OK;
    }
    return tl_fail(TL_ERR_ARGUMENT, "\"%s\" is no address to fetch from: expected https://HOST/FILE, or http:// where that must be", url);
}

#ifdef HAVE_LIBCURL

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MOST_REDIRECTS = 10, CONNECT_SECONDS = 30, STALLED_SECONDS = 60 };

/* The functions of libcurl that are used, by their names there. */
struct library {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *init;
    __typeof__(curl_easy_setopt) *set;
    __typeof__(curl_easy_perform) *perform;
    __typeof__(curl_easy_getinfo) *get;
    __typeof__(curl_easy_header) *header;
    __typeof__(curl_easy_strerror) *words;
    __typeof__(curl_easy_cleanup) *cleanup;
};

static struct library curl;
static char library_problem[300];

static void open_library(void)
{
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
        {"curl_global_init", offsetof(struct library, global_init)}, {"curl_easy_init", offsetof(struct library, init)},
        {"curl_easy_setopt", offsetof(struct library, set)},         {"curl_easy_perform", offsetof(struct library, perform)},
        {"curl_easy_getinfo", offsetof(struct library, get)},        {"curl_easy_header", offsetof(struct library, header)},
        {"curl_easy_strerror", offsetof(struct library, words)},     {"curl_easy_cleanup", offsetof(struct library, cleanup)},
    };
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    const char *why = handle ? NULL : dlerror();
    for (size_t i = 0; !why && i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(handle, functions[i].name);
        if (!function)
            why = dlerror();
        memcpy((char *)&curl + functions[i].offset, &function, sizeof function);
    }
    if (!why && curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        why = "it does not start";
    if (why)
        snprintf(library_problem, sizeof library_problem, "%s", why);
}

/* ---- What comes ----------------------------------------------------------------------------------------------------- */

struct transfer {
    struct download *d;
    CURL *easy;
    bool begun;
    long code;          /* of HTTP */
    int64_t at, total;
    tl_progress *bar;
    char words[CURL_ERROR_SIZE];
};

/* "bytes 100-199/1000" or "bytes *" "/1000": where the part begins (-1: nowhere), and the whole; false if it is neither. */
static bool content_range(struct transfer *t, int64_t *first, int64_t *whole)
{
    struct curl_header *h;
    long long from, to, all;
    if (curl.header(t->easy, "Content-Range", 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return false;
    if (sscanf(h->value, "bytes */%lld", &all) == 1)
        from = -1;
    else if (sscanf(h->value, "bytes %lld-%lld/%lld", &from, &to, &all) != 3 || to != all - 1)
        return false;
    *first = from;
    *whole = all;
    return all >= 0;
}

static tl_status check_room(struct transfer *t)
{
    struct statvfs fs;
    if (fstatvfs(t->d->fd, &fs) != 0)
        return TL_OK; /* then writing will tell */
    uint64_t need = (uint64_t)(t->total - t->at), room;
    if (!tl_size_mul((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &room) || need <= room)
        return TL_OK;
    return tl_fail(TL_ERR_IO, "no space: %" PRIu64 " bytes are to come, and there is room for %" PRIu64, need, room);
}

/* The headers are there: is it a file, where does what comes belong, and how much will it be? */
static tl_status begin(struct transfer *t)
{
    struct download *d = t->d;
    curl_off_t length = -1;
    t->begun = true;
    curl.get(t->easy, CURLINFO_RESPONSE_CODE, &t->code);
    curl.get(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (t->code != 200 && !(t->code == 206 && d->from > 0))
        return tl_fail(t->code == 404 || t->code == 410 ? TL_ERR_NOT_FOUND : TL_ERR_IO, "the server answers with HTTP status %ld%s", t->code,
                       t->code == 404 ? ", not found" : t->code == 403 ? ", forbidden" : "");
    int64_t first;
    if (t->code == 206 && (!content_range(t, &first, &t->total) || first != d->from))
        return tl_fail(TL_ERR_FORMAT, "the server was asked for what follows byte %" PRId64 ", and sends another part", d->from);
    if (t->code == 206)
        d->resumed = true;
    if (t->code == 200 && length < 0)
        return tl_fail(TL_ERR_LIMIT, "the server does not say how long the file is (no Content-Length)");
    if (t->code == 200)
        t->total = length;
    t->at = t->code == 206 ? d->from : 0;
    if (ftruncate(d->fd, t->at) != 0 || lseek(d->fd, t->at, SEEK_SET) < 0)
        return tl_fail(TL_ERR_IO, "cannot write: %s", strerror(errno));
    t->bar = tl_progress_new(d->progress, d->label, t->total / 1000);
    return check_room(t);
}

static tl_status write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, data, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return tl_fail(TL_ERR_IO, "cannot write: %s", strerror(errno));
        data += written;
        n -= (size_t)written;
    }
    return TL_OK;
}

/* Nothing that is not asked for is kept of "416 Range Not Satisfiable": its text is for people. */
static bool past_the_end(struct transfer *t)
{
    curl.get(t->easy, CURLINFO_RESPONSE_CODE, &t->code);
    return t->code == 416 && t->d->from > 0;
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t bytes = size * n;
    if (!t->begun && past_the_end(t))
        return bytes;
    if (!t->begun && begin(t) != TL_OK)
        return 0;
    if ((int64_t)bytes > t->total - t->at) {
        tl_fail(TL_ERR_LIMIT, "more than the %" PRId64 " bytes that the server announced", t->total);
        return 0;
    }
    if (write_all(t->d->fd, data, bytes) != TL_OK)
        return 0;
    t->at += (int64_t)bytes;
    t->d->received += (int64_t)bytes;
    tl_progress_update(t->bar, t->at / 1000, NULL);
    return bytes;
}

/* ---- The request ------------------------------------------------------------------------------------------------------ */

static void ask(struct transfer *t)
{
    char range[32];
    bool safe = strncasecmp(t->d->url, "https:", 6) == 0;
    curl.set(t->easy, CURLOPT_URL, t->d->url);
    curl.set(t->easy, CURLOPT_PROTOCOLS_STR, "https,http");
    curl.set(t->easy, CURLOPT_REDIR_PROTOCOLS_STR, safe ? "https" : "https,http");
    curl.set(t->easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl.set(t->easy, CURLOPT_MAXREDIRS, (long)MOST_REDIRECTS);
    curl.set(t->easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl.set(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl.set(t->easy, CURLOPT_LOW_SPEED_TIME, (long)STALLED_SECONDS);
    curl.set(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl.set(t->easy, CURLOPT_NOPROGRESS, 1L);
    curl.set(t->easy, CURLOPT_ERRORBUFFER, t->words);
    curl.set(t->easy, CURLOPT_USERAGENT, "telar");
    curl.set(t->easy, CURLOPT_WRITEFUNCTION, on_data);
    curl.set(t->easy, CURLOPT_WRITEDATA, t);
    if (t->d->from > 0) {
        snprintf(range, sizeof range, "%" PRId64 "-", t->d->from);
        curl.set(t->easy, CURLOPT_RANGE, range); /* libcurl keeps a copy */
    }
}

static tl_status failure(const struct transfer *t, CURLcode rc)
{
    const char *words = t->words[0] ? t->words : curl.words(rc);
    if (rc == CURLE_TOO_MANY_REDIRECTS)
        return tl_fail(TL_ERR_LIMIT, "more than %d redirections", MOST_REDIRECTS);
    long status = 0;
    curl.get(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (rc == CURLE_UNSUPPORTED_PROTOCOL && status == 0)
        return tl_fail(TL_ERR_FORMAT, "what answers is no HTTP server: %s", words);
    if (rc == CURLE_UNSUPPORTED_PROTOCOL)
        return tl_fail(TL_ERR_UNSAFE, "a redirection to what is neither https nor, from http, http: %s", words);
    if (rc == CURLE_OUT_OF_MEMORY)
        return tl_fail(TL_ERR_NOMEM, "out of memory");
    if (t->begun)
        return tl_fail(TL_ERR_TRUNCATED, "the connection broke after %" PRId64 " of %" PRId64 " bytes: %s", t->at, t->total, words);
    return tl_fail(TL_ERR_IO, "%s", words);
}

/* What is there may be the whole file already, or no part of it. */
static tl_status nothing_follows(struct transfer *t)
{
    int64_t first, whole;
    if (content_range(t, &first, &whole) && first == -1 && whole == t->d->from) {
        t->d->resumed = true;
        return TL_OK;
    }
    t->d->from = 0;
    return download(t->d);
}

tl_status download(struct download *d)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library);
    d->received = 0;
    d->resumed = false;
    if (library_problem[0])
        return tl_fail(TL_ERR_UNSUPPORTED, "downloading needs libcurl, version 7.85 or later (Debian: libcurl4): %s", library_problem);
    struct transfer t = {.d = d, .easy = curl.init()};
    if (!t.easy)
        return tl_fail(TL_ERR_NOMEM, "out of memory");
    ask(&t);
    CURLcode rc = curl.perform(t.easy);
    tl_status s = tl_error_code();
    if (s == TL_OK && rc != CURLE_OK)
        s = failure(&t, rc);
    if (s == TL_OK && !t.begun && past_the_end(&t))
        s = nothing_follows(&t);
    else if (s == TL_OK && !t.begun)
        s = begin(&t); /* an empty answer */
    tl_progress_end(t.bar);
    curl.cleanup(t.easy);
    return s;
}

#else

tl_status download(struct download *d)
{
    (void)d;
    return tl_fail(TL_ERR_UNSUPPORTED, "this telar was built without libcurl: install it with its headers (Debian: libcurl4-openssl-dev) and "
                   "configure again, or fetch the file by other means");
}

#endif
