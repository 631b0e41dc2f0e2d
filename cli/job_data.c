/* SPDX-License-Identifier: Apache-2.0
 *
 * The data of a job: opened by what the command line says and, where that is silent, by the notes that telar train left in the weight
 * file; and what the classes in them are called.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static tl_dataset *open_part(struct job *j, const char *part)
{
    struct tl_data_options o = j->data_options;
    o.split = part;
    return tl_data_open_with(j->data_name, &o);
}

static char *add_option(char *text, const char *name, const char *value)
{
    char *longer = text ? tl_config_append(text, name, value) : NULL;
    free(text);
    return longer;
}

char *data_option_text(const struct invocation *v, const char *noted)
{
    const struct settings *s = &v->set;
    char *text = tl_config_join(noted, s->data_options);
    if (s->label)
        text = add_option(text, "label", s->label);
    if (s->no_header)
        text = add_option(text, "no-header", NULL);
    return s->standardize ? add_option(text, "standardize", NULL) : text;
}

static tl_status find_data(struct job *j, const struct invocation *v)
{
    const struct settings *s = &v->set;
    bool other = s->data != NULL; /* then the notes' details are of no use */
    j->data_name = s->data ? s->data : job_note(j, "telar.data") ? job_note(j, "telar.data") : j->model->data;
    j->data_options.struct_size = sizeof j->data_options;
    j->data_options.path = s->path ? s->path : other ? NULL : job_note(j, "telar.data_path");
    j->data_text = data_option_text(v, other ? NULL : job_note(j, "telar.data_options"));
    j->data_options.options = j->data_text;
    return j->data_text ? TL_OK : tl_error_code();
}

static tl_status hold_out(struct job *j, double share)
{
    tl_dataset *parts[2] = {NULL, NULL};
    tl_status s = tl_train_test_split(j->train, share, 0, parts);
    if (s != TL_OK)
        return s;
    tl_dataset_free(j->train);
    j->train = parts[0];
    j->test = parts[1];
    return TL_OK;
}

/* A table is standardized by its own training part. That of another table is not what the weights have learnt from. */
static void warn_of_statistics(const struct job *j, const struct invocation *v)
{
    const char *learnt_from = job_note(j, "telar.data");
    if (!j->weights || !v->set.data || !learnt_from || strcmp(learnt_from, v->set.data) == 0)
        return;
    bool then = tl_config_mentions(job_note(j, "telar.data_options"), "standardize"), now = tl_config_mentions(j->data_text, "standardize");
    if (then && !now)
        fprintf(stderr, "telar: the weights were trained on %s, standardized; %s is not\n", learnt_from, v->set.data);
    else if (now)
        fprintf(stderr, "telar: %s is standardized by its own mean and deviation, not by those of %s, from which the weights have learnt\n",
                v->set.data, learnt_from);
}

/* A loss over no samples is no number, and no accuracy. */
static tl_status check_parts(const struct job *j)
{
    const char *none = j->train && tl_dataset_size(j->train) == 0  ? "no sample is left to learn from"
                       : !j->test || tl_dataset_size(j->test) > 0 ? NULL
                       : j->train                                 ? "no sample is left to validate on"
                                                                  : "there is no sample in this part";
    if (!none)
        return TL_OK;
    return tl_fail(TL_ERR_ARGUMENT, "data set %s: %s; %s", j->data_name, none,
                   j->train ? "more are needed in a class, or another share: --hold-out SHARE" : "--split all takes the whole set");
}

static tl_status open_parts(struct job *j, const struct invocation *v, bool train, bool test)
{
    if (train && !(j->train = open_part(j, "train")))
        return tl_error_code();
    if (train && v->set.hold_out > 0)
        return hold_out(j, v->set.hold_out);
    if (test && !(j->test = open_part(j, v->set.split && strcmp(v->set.split, "all") == 0 ? NULL : v->set.split ? v->set.split : "test")))
        return tl_error_code();
    return TL_OK;
}

tl_status job_data(struct job *j, const struct invocation *v, bool train, bool test)
{
    tl_status s = find_data(j, v);
    if (s != TL_OK)
        return s;
    if (!j->data_name)
        return tl_fail(TL_ERR_ARGUMENT, "which data? model %s is not made for one data set: --data DATA (see telar data)",
                       j->model->name);
    if (!train)
        warn_of_statistics(j, v);
    if ((s = keep_vocabulary(j)) == TL_OK && (s = open_parts(j, v, train, test)) == TL_OK)
        s = check_parts(j);
    if (s == TL_OK && (!train || v->set.resume)) /* who trains on may have other classes in mind */
        warn_of_classes(j);
    return s;
}

/* ---- What the model sees of them ----------------------------------------------------------------------------------------- */

static const struct tl_dataset_info *raw_info(const struct job *j)
{
    return j->train || j->test ? tl_dataset_info(j->train ? j->train : j->test) : NULL;
}

const struct tl_dataset_info *job_info(const struct job *j)
{
    return j->shown.size ? &j->shown : raw_info(j);
}

tl_status job_show_data(struct job *j)
{
    const struct tl_dataset_info *raw = raw_info(j);
    if (!raw || !j->resize)
        return TL_OK;
    if (raw->ndim < 2)
        return tl_fail(TL_ERR_SHAPE, "--resize: the samples of %s are no pictures; they have %d dimension%s", j->data_name, raw->ndim, raw->ndim == 1 ? "" : "s");
    j->shown = *raw;
    j->shown.shape[raw->ndim - 2] = j->shown.shape[raw->ndim - 1] = j->resize;
    return TL_OK;
}

/* ---- Classes --------------------------------------------------------------------------------------------------------------- */

tl_status job_note_classes(struct job *j)
{
    const char *text = job_note(j, "telar.classes");
    int64_t n = 1;
    if (!text)
        return TL_OK;
    for (const char *s = text; *s; s++)
        n += *s == '\n';
    j->class_text = strdup(text);
    j->class_names = calloc((size_t)n, sizeof *j->class_names);
    if (!j->class_text || !j->class_names)
        return TL_ERR_NOMEM;
    char *rest = j->class_text;
    while (j->n_class_names < n)
        j->class_names[j->n_class_names++] = strsep(&rest, "\n");
    return TL_OK;
}

const char *const *job_classes(const struct job *j, int64_t *n)
{
    const struct tl_dataset_info *info = job_info(j);
    *n = 0;
    if (j->work.task != TL_CLASSIFY && j->work.task != TL_LANGUAGE)
        return NULL;
    *n = info ? info->n_classes : 0;
    if (info && info->classes)
        return info->classes;
    if (!info && j->class_names) {
        *n = j->n_class_names;
        return j->class_names;
    }
    int64_t labels = 0;
    while (j->model->labels && j->model->labels[labels])
        labels++;
    if (!info)
        *n = labels;
    return labels && labels == *n ? j->model->labels : NULL;
}
