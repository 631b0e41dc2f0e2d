/* SPDX-License-Identifier: Apache-2.0
 *
 * telar fetch: weights that models list, downloaded to where --weights NAME looks for them. A file gets its name when it is
 * whole and its sum is right; until then it is called NAME.part, from which the next run goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/download.h"

enum { MAX_LISTED = 1024 };

struct order {
    const struct tl_model *model;
    const struct tl_model_weights *weights;
    const char *url;
    char *place, *part; /* where the file belongs, and its beginning */
    bool kept;          /* of which something came that is of use */
};

static void order_free(struct order *o)
{
    free(o->place);
    free(o->part);
}

/* ---- Files -------------------------------------------------------------------------------------------------------------------- */

/* The folders above `path`, as far as they are missing. */
static tl_status make_folders(const char *path)
{
    char *copy = strdup(path);
    tl_status s = copy ? TL_OK : tl_fail(TL_ERR_NOMEM, "out of memory");
    for (char *slash = copy ? strchr(copy + 1, '/') : NULL; s == TL_OK && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            s = tl_fail(TL_ERR_IO, "cannot make the folder \"%s\": %s", copy, strerror(errno));
        *slash = '/';
    }
    free(copy);
    return s;
}

/* Open NAME.part, for this process alone; -1 and an error. Whoever had it before may have given it its name in the meantime. */
static int open_part(const char *path)
{
    for (;;) {
        struct stat mine, named;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0 || fstat(fd, &mine) != 0 || !S_ISREG(mine.st_mode)) {
            tl_fail(TL_ERR_IO, "cannot write \"%s\": %s", path, fd < 0 ? strerror(errno) : "it is not a file");
            if (fd >= 0)
                close(fd);
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            tl_fail(TL_ERR_STATE, "\"%s\": %s", path, errno == EWOULDBLOCK ? "another telar fetch is at work on it" : strerror(errno));
            close(fd);
            return -1;
        }
        if (stat(path, &named) == 0 && named.st_dev == mine.st_dev && named.st_ino == mine.st_ino)
            return fd;
        close(fd);
    }
}

/* The name, once everything is on the disk. */
static tl_status give_name(int fd, const struct order *o)
{
    if (fsync(fd) != 0)
        return tl_fail(TL_ERR_IO, "cannot write \"%s\": %s", o->part, strerror(errno));
    if (rename(o->part, o->place) != 0)
        return tl_fail(TL_ERR_IO, "cannot rename \"%s\" to \"%s\": %s", o->part, o->place, strerror(errno));
    char *folder = strdup(o->place);
    int above = folder ? open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (above >= 0) {
        fsync(above); /* some file systems cannot, and the file is whole all the same */
        close(above);
    }
    free(folder);
    return TL_OK;
}

/* ---- One file ------------------------------------------------------------------------------------------------------------------ */

/* Without a sum nobody could tell whether a beginning and an end belong together, so then nothing is resumed. */
static tl_status fetch_to(int fd, const struct order *o, struct download *d)
{
    struct stat st;
    d->fd = fd;
    d->from = o->weights->sha256 && fstat(fd, &st) == 0 ? st.st_size : 0;
    tl_status s = download(d);
    if (s != TL_OK) {
        tl_error_prefix("%s: ", o->url);
        return s;
    }
    s = tl_model_weights_check(o->model, o->weights->name, o->part);
    if (s == TL_ERR_FORMAT && d->resumed) { /* the beginning was of another file */
        tl_error_clear();
        d->from = 0;
        s = download(d);
        if (s != TL_OK)
            tl_error_prefix("%s: ", o->url);
        else
            s = tl_model_weights_check(o->model, o->weights->name, o->part);
    }
    if (s == TL_ERR_FORMAT && unlink(o->part) != 0) /* of no use, and in the way of the next run */
        tl_error_prefix("cannot remove \"%s\": %s; ", o->part, strerror(errno));
    return s == TL_OK ? give_name(fd, o) : s;
}

static tl_status fetch_file(const struct invocation *v, struct order *o, int64_t *received)
{
    const char *base = strrchr(o->place, '/') + 1;
    char label[64];
    tl_status s = make_folders(o->part);
    int fd = s == TL_OK ? open_part(o->part) : -1;
    if (fd < 0)
        return tl_error_code();
    bool tell = !v->set.quiet && !v->set.json;
    snprintf(label, sizeof label, "%.50s (kB)", base);
    if (tell)
        fprintf(stderr, "fetching %s\n", o->url);
    struct download d = {.url = o->url, .label = label, .progress = tell ? stderr : NULL};
    s = fetch_to(fd, o, &d);
    struct stat st = {0};
    if (s != TL_OK && fstat(fd, &st) == 0 && st.st_size == 0)
        unlink(o->part); /* nothing came */
    o->kept = s != TL_OK && s != TL_ERR_FORMAT && st.st_size > 0 && o->weights->sha256;
    close(fd);
    *received = d.received;
    return s;
}

/* ---- What is asked for ------------------------------------------------------------------------------------------------------------ */

/* The weights called `name`, or the first that can be fetched. */
static const struct tl_model_weights *find_weights(const struct tl_model *m, const char *name, bool with_url)
{
    const struct tl_model_weights *first = tl_model_weights_find(m, name);
    if (name || !first)
        return first;
    for (const struct tl_model_weights *w = first; w->name; w++)
        if (w->url || with_url)
            return w;
    tl_fail(TL_ERR_NOT_FOUND, "model %s lists no address for its weights; see telar models %s, or give one: --url URL", m->name, m->name);
    return NULL;
}

/* "MODEL" or "MODEL:WEIGHTS". */
static tl_status find_order(const struct invocation *v, const char *argument, struct order *o)
{
    const char *colon = strchr(argument, ':');
    char name[200];
    snprintf(name, sizeof name, "%.*s", (int)(colon ? colon - argument : (ptrdiff_t)strlen(argument)), argument);
    o->model = tl_model_find(name);
    o->weights = o->model ? find_weights(o->model, colon ? colon + 1 : NULL, v->set.url != NULL) : NULL;
    if (!o->weights)
        return tl_error_code();
    o->url = v->set.url ? v->set.url : o->weights->url;
    o->place = tl_model_weights_place(o->model, o->weights->name);
    size_t size = o->place ? strlen(o->place) + sizeof ".part" : 0;
    o->part = size ? malloc(size) : NULL;
    if (!o->part)
        return size ? tl_fail(TL_ERR_NOMEM, "out of memory") : tl_error_code();
    snprintf(o->part, size, "%s.part", o->place);
    return TL_OK;
}

static void print_fetched(const struct invocation *v, const struct order *o, const char *path, bool fetched, int64_t received)
{
    if (!v->set.json) {
        printf("%s:%s%s: ", o->model->name, o->weights->name, fetched ? "" : " is here");
        print_harmless(stdout, path, 4096);
        fputc('\n', stdout);
        if (!o->weights->sha256 && !v->set.quiet)
            fprintf(stderr, "telar: no SHA-256 is listed for it, so what is in it was not checked\n");
        return;
    }
    struct json to = json_new(stdout);
    json_open(&to, '{');
    json_text_of(&to, "model", o->model->name);
    json_text_of(&to, "weights", o->weights->name);
    json_text_of(&to, "path", path);
    json_bool_of(&to, "fetched", fetched);
    json_integer_of(&to, "bytes_received", received);
    json_bool_of(&to, "checked", o->weights->sha256 != NULL);
    json_close(&to, '}');
    json_end(&to);
}

/* A file with a wrong sum is fetched anew if it is the one that was fetched; of others, nothing is known. */
static int fetch(const struct invocation *v, const char *argument)
{
    int code = EXIT_OK;
    struct order o = {0};
    int64_t received = 0;
    tl_status s = find_order(v, argument, &o);
    char *path = s == TL_OK ? tl_model_weights_path(o.model, o.weights->name) : NULL;
    bool here = path, fetch_it = s == TL_OK && !here && (tl_error_code() == TL_ERR_NOT_FOUND || access(o.place, F_OK) == 0);
    if (fetch_it) {
        tl_error_clear();
        s = o.url ? download_check(o.url)
                  : tl_fail(TL_ERR_NOT_FOUND, "model %s lists no address for its weights %s (%s): give one, --url URL, or put the file at %s", o.model->name,
                            o.weights->name, o.weights->note ? o.weights->note : "", o.place);
        if (s == TL_OK)
            s = fetch_file(v, &o, &received);
        path = s == TL_OK ? tl_model_weights_path(o.model, o.weights->name) : NULL; /* one that comes before it may be wrong */
    }
    if (path)
        print_fetched(v, &o, path, !here, received);
    if (tl_error_code() != TL_OK)
        code = failed();
    if (o.kept)
        fprintf(stderr, "telar: what came is kept as %s.part, and the next telar fetch goes on from there\n", strrchr(o.place, '/') + 1);
    free(path);
    order_free(&o);
    tl_error_clear();
    return code;
}

/* ---- The list ------------------------------------------------------------------------------------------------------------------------ */

static void list_weights(const struct invocation *v, const struct tl_model *m, const struct tl_model_weights *w)
{
    char *path = tl_model_weights_path(m, w->name), name[200];
    const char *state = path ? "here" : tl_error_code() == TL_ERR_NOT_FOUND ? "not here" : "damaged";
    tl_error_clear();
    if (v->set.json) {
        struct json to = json_new(stdout);
        json_open(&to, '{');
        json_text_of(&to, "model", m->name);
        json_text_of(&to, "weights", w->name);
        json_text_of(&to, "state", state);
        json_text_of(&to, "path", path);
        json_text_of(&to, "url", w->url);
        json_text_of(&to, "note", w->note);
        json_close(&to, '}');
        json_end(&to);
    } else {
        snprintf(name, sizeof name, "%s:%s", m->name, w->name);
        printf("%-32s %-9s ", name, state);
        print_harmless(stdout, path ? path : w->url ? w->url : "(no address is listed)", 4096);
        fputc('\n', stdout);
    }
    free(path);
}

static int list_all(const struct invocation *v)
{
    static const struct tl_model *models[MAX_LISTED];
    size_t n = 0;
    if (v->n_arguments == 0)
        n = tl_models(models, MAX_LISTED);
    for (int i = 0; i < v->n_arguments && i < MAX_LISTED; i++)
        if (!(models[n++] = tl_model_find(v->arguments[i])))
            return failed();
    for (size_t i = 0; i < n && i < MAX_LISTED; i++)
        for (const struct tl_model_weights *w = models[i]->weights; w && w->name; w++)
            list_weights(v, models[i], w);
    return EXIT_OK;
}

int run_fetch(const struct invocation *v)
{
    int code = EXIT_OK;
    if (v->set.list)
        return list_all(v);
    if (v->n_arguments == 0)
        return misused(v, "fetch: what? MODEL or MODEL:WEIGHTS; --list shows what there is");
    if (v->set.url && v->n_arguments > 1)
        return misused(v, "fetch: --url is the address of one file, and %d are asked for", v->n_arguments);
    for (int i = 0; i < v->n_arguments; i++)
        if (fetch(v, v->arguments[i]) != EXIT_OK)
            code = EXIT_FAILED;
    return code;
}
