/* SPDX-License-Identifier: Apache-2.0
 *
 * telar backends and telar doctor: what was found on this machine, what was not, and why.
 */
#include <stdlib.h>
#include <string.h>
#include <telar/backend.h>

#include "cli/cli.h"

/* ---- Devices ------------------------------------------------------------------------------------------------------------------- */

struct device_line {
    int index;
    char description[256];
    char flaw[600]; /* why the core would not take it; empty: nothing */
    uint64_t memory;
};

static void describe_device(const struct tl_backend *b, struct tl_device *d, struct device_line *line)
{
    const char *flaw = tl_device_flaw(d);
    if (flaw) {
        snprintf(line->flaw, sizeof line->flaw, "%s", flaw);
    } else {
        line->memory = d->memory;
        snprintf(line->description, sizeof line->description, "%s", d->description ? d->description : "");
    }
    b->device_close(d);
}

enum { MAX_LINES = 16 };

struct device_list {
    struct device_line lines[MAX_LINES];
    int n;
    char trouble[600]; /* why none could be counted; empty: they were */
};

/* Devices of one backend, as text: from the plugin's own table, so that looking changes nothing in the core. */
static void list_devices(const struct tl_backend *b, struct device_list *list)
{
    int count = 0;
    list->n = 0;
    list->trouble[0] = 0;
    if (!b)
        return;
    if (b->device_count(&count) != TL_OK) {
        snprintf(list->trouble, sizeof list->trouble, "%s", tl_error_message()[0] ? tl_error_message() : "device_count failed without a message");
        tl_error_clear();
        return;
    }
    for (int i = 0; i < count && i < MAX_LINES; i++) {
        struct tl_device *d = NULL;
        struct device_line *line = &list->lines[list->n++];
        *line = (struct device_line){.index = i};
        if (b->device_open(i, &d) != TL_OK)
            snprintf(line->flaw, sizeof line->flaw, "%s", tl_error_message()[0] ? tl_error_message() : "device_open failed without a message");
        else if (!d)
            snprintf(line->flaw, sizeof line->flaw, "device_open returned TL_OK without a device");
        else
            describe_device(b, d, line);
        tl_error_clear();
    }
}

static void json_backend(const struct tl_plugin_info *p, const struct device_list *list)
{
    const struct device_line *lines = list->lines;
    struct json j = json_new(stdout);
    json_open(&j, '{');
    json_text_of(&j, "name", p->name);
    json_text_of(&j, "version", p->version);
    json_text_of(&j, "summary", p->summary);
    json_text_of(&j, "path", p->path);
    json_bool_of(&j, "loads", p->status == TL_OK);
    json_text_of(&j, "verdict", p->verdict);
    json_text_of(&j, "trouble", list->trouble[0] ? list->trouble : NULL);
    json_key(&j, "devices");
    json_open(&j, '[');
    for (int i = 0; i < list->n; i++) {
        json_open(&j, '{');
        json_integer_of(&j, "index", lines[i].index);
        json_text_of(&j, "description", lines[i].description);
        json_integer_of(&j, "memory", (int64_t)lines[i].memory);
        json_text_of(&j, "flaw", lines[i].flaw[0] ? lines[i].flaw : NULL);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    json_end(&j);
}

static void print_backend(const struct tl_plugin_info *p, const struct device_list *list)
{
    const struct device_line *lines = list->lines;
    if (p->status != TL_OK) {
        printf("%-12s cannot be loaded: %s\n", p->name, p->verdict ? p->verdict : "?");
        return;
    }
    printf("%-12s %s\n", p->name, p->summary ? p->summary : "");
    for (int i = 0; i < list->n; i++) {
        printf("%12s %d: %s%s", "", lines[i].index, lines[i].flaw[0] ? "cannot be used: " : "",
               lines[i].flaw[0] ? lines[i].flaw : lines[i].description);
        if (lines[i].memory)
            printf(", %.1f GiB", (double)lines[i].memory / 1073741824.0);
        fputc('\n', stdout);
    }
    if (list->n == 0)
        printf("%12s no device answers%s%s\n", "", list->trouble[0] ? ": " : "", list->trouble);
}

static size_t each_backend(void (*show)(const struct tl_plugin_info *p, const struct device_list *list))
{
    static struct tl_plugin_info found[MAX_FOUND];
    size_t n = tl_plugins("backend", true, found, MAX_FOUND);
    for (size_t i = 0; i < n && i < MAX_FOUND; i++) {
        static struct device_list list;
        const struct tl_backend *b = found[i].status == TL_OK ? tl_plugin_open("backend", found[i].name, TL_BACKEND_ABI) : NULL;
        tl_error_clear();
        list_devices(b, &list);
        show(&found[i], &list);
    }
    return n;
}

int run_backends(const struct invocation *v)
{
    size_t n = each_backend(v->set.json ? json_backend : print_backend);
    if (n == 0) {
        tl_fail(TL_ERR_NOT_FOUND, "no backend plugin was found; see telar doctor");
        return failed();
    }
    if (!v->set.json) {
        const char *device = tl_default_device();
        if (!device)
            return failed();
        printf("\ndefault device: %s (%s)\n", device, tl_backend_name());
    }
    return EXIT_OK;
}

/* ---- Doctor -------------------------------------------------------------------------------------------------------------------- */

static void print_environment(void)
{
    printf("environment:\n");
    for (const struct variable *e = variables; e->name; e++) {
        const char *value = getenv(e->name);
        printf("  %-20s %s\n", e->name, value ? value : "(not set)");
    }
}

static void print_plugins(const struct tl_plugin_info *found, size_t n)
{
    printf("\nplugins, in the order in which they are searched:\n");
    const char *path, *verdict;
    for (size_t i = 0; (path = tl_plugin_path(i, &verdict)) != NULL; i++)
        printf("  searched: %s%s%s%s\n", path, verdict ? " (" : "", verdict ? verdict : "", verdict ? ")" : "");
    for (size_t i = 0; tl_plugin_remark(i); i++)
        printf("  note: %s\n", tl_plugin_remark(i));
    for (size_t i = 0; i < n; i++)
        printf("  %-4s %-8s %-14s %s\n%28s %s\n", found[i].status == TL_OK ? "ok" : "BAD", found[i].kind, found[i].name, found[i].path,
               "", found[i].verdict ? found[i].verdict : "");
    if (n == 0)
        printf("  none found\n");
}

/* Can a computation be done at all? */
static const char *try_computing(void)
{
    const char *result = NULL;
    TL_SCOPE {
        tl_tensor *two = tl_add(tl_ones(TL_SHAPE(1), (struct tl_options){0}), tl_ones(TL_SHAPE(1), (struct tl_options){0}));
        double value = two ? tl_item(two) : 0;
        result = value > 1.5 && value < 2.5 ? NULL : tl_error_message()[0] ? tl_error_message() : "1 + 1 is not 2";
    }
    return result;
}

static int json_doctor(const struct tl_plugin_info *found, size_t n)
{
    struct json j = json_new(stdout);
    json_open(&j, '{');
    json_text_of(&j, "version", tl_version_string());
    json_key(&j, "environment");
    json_open(&j, '{');
    for (const struct variable *e = variables; e->name; e++)
        json_text_of(&j, e->name, getenv(e->name));
    json_close(&j, '}');
    const char *path, *verdict;
    json_key(&j, "searched");
    json_open(&j, '[');
    for (size_t i = 0; (path = tl_plugin_path(i, &verdict)) != NULL; i++) {
        json_open(&j, '{');
        json_text_of(&j, "path", path);
        json_text_of(&j, "verdict", verdict);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_key(&j, "notes");
    json_open(&j, '[');
    for (size_t i = 0; tl_plugin_remark(i); i++)
        json_text(&j, tl_plugin_remark(i));
    json_close(&j, ']');
    json_key(&j, "plugins");
    json_open(&j, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&j, '{');
        json_text_of(&j, "kind", found[i].kind);
        json_text_of(&j, "name", found[i].name);
        json_text_of(&j, "path", found[i].path);
        json_text_of(&j, "version", found[i].version);
        json_bool_of(&j, "loads", found[i].status == TL_OK);
        json_text_of(&j, "verdict", found[i].verdict);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    const char *trouble = try_computing();
    json_text_of(&j, "device", trouble ? NULL : tl_default_device());
    json_text_of(&j, "backend", trouble ? NULL : tl_backend_name());
    json_integer_of(&j, "threads", tl_get_num_threads());
    json_text_of(&j, "trouble", trouble);
    json_close(&j, '}');
    json_end(&j);
    return trouble ? EXIT_FAILED : EXIT_OK;
}

int run_doctor(const struct invocation *v)
{
    static struct tl_plugin_info found[MAX_FOUND];
    tl_models(NULL, 0); /* models and data sets judge what their plugins list */
    tl_data_sources(NULL, 0);
    size_t n = tl_plugins(NULL, true, found, MAX_FOUND);
    n = n < MAX_FOUND ? n : MAX_FOUND;
    tl_error_clear();
    if (v->set.json)
        return json_doctor(found, n);
    printf("telar %s\n\n", tl_version_string());
    print_environment();
    print_plugins(found, n);
    printf("\nbackends and devices:\n");
    each_backend(print_backend);
    const char *trouble = try_computing();
    if (trouble) {
        printf("\nnothing can be computed: %s\n", trouble);
        return EXIT_FAILED;
    }
    printf("\ndefault device: %s (%s), %d threads\n1 + 1 was computed there: all is well.\n", tl_default_device(), tl_backend_name(),
           tl_get_num_threads());
    return EXIT_OK;
}
