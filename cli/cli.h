/* SPDX-License-Identifier: Apache-2.0
 *
 * The program `telar`: what its parts share. One table of commands and options (commands.c) is read by the parser
 * (parse.c) and by everything that is written about them (help.c: --help, the manual pages, the completions), so that
 * these cannot differ.
 */
#ifndef TELAR_CLI_H
#define TELAR_CLI_H

#include <limits.h>
#include <stdio.h>
#include <telar/model.h>
#include <telar/nn.h>
#include <telar/registry.h>

/* What the program returns. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ---- Options (commands.c) ---------------------------------------------------------------------------------------- */

/* What an option takes. MODEL, DATA, BACKEND, COMMAND and FILE tell the completions what to offer. */
enum kind { FLAG, INTEGER, NUMBER, WORD, CHOICE, FILE_NAME, MODEL_NAME, DATA_NAME, BACKEND_NAME, COMMAND_NAME, ASSIGNMENT };

/* Values of all options of all commands. Absent texts are NULL. */
struct settings {
    int64_t epochs, batch, seed, workers, threads, patience, count, runs, resize, length, top_k, columns;
    double lr, momentum, weight_decay, clip, hold_out, seconds, temperature;
    const char *optimizer, *schedule, *save, *resume, *weights, *device, *plot, *history, *data, *path, *split, *label, *mode,
        *input, *page, *freeze, *replace, *dtype, *prompt, *url, *output, *format, *part;
    char *options, *data_options; /* of the model and of the data set: "name=value,name=value" */
    bool quiet, json, no_header, standardize, confusion, help, version, strict, cache_features, compile, list;
};

struct option {
    const char *name;
    char letter; /* 0: none */
    enum kind kind;
    const char *value;    /* what help calls its value: "N", "FILE" */
    const char *help;     /* a phrase, without a full stop */
    const char *fallback; /* default, as text; NULL: none */
    size_t offset;        /* in struct settings */
    double low, high;     /* INTEGER, NUMBER */
    const char *const *choices;
};

enum { MAX_FOUND = 512 }; /* plugins and names that are listed */
enum { MAX_OPTIONS = 48, MAX_EXAMPLES = 8, ANY_NUMBER = INT_MAX };

struct example {
    const char *command, *what;
};

struct invocation;
struct command {
    const char *name;
    const char *arguments; /* "MODEL", "[MODEL]", "FILE…" */
    enum kind argument;    /* for completions */
    int least, most;       /* number of arguments */
    bool computes;         /* for long, on several threads */
    const char *summary;   /* a line */
    const char *text;      /* paragraphs, with blank lines between */
    int (*run)(const struct invocation *v);
    const struct option *options[MAX_OPTIONS];
    struct example examples[MAX_EXAMPLES];
};
extern const struct command commands[];
extern const size_t n_commands;

/* An environment variable and what it does. */
struct variable {
    const char *name, *value, *help;
};
extern const struct variable variables[]; /* ends with name NULL */

/* A command line, understood. */
struct invocation {
    const struct command *command;
    struct settings set;
    bool given[MAX_OPTIONS]; /* which of command->options were on the line */
    const char **arguments;
    int n_arguments;
};

/* Fill v; EXIT_OK, or EXIT_USAGE after a message on stderr. */
int parse(int argc, char **argv, struct invocation *v);
void invocation_free(struct invocation *v);
/* Was this option on the line? */
bool given(const struct invocation *v, const char *name);
const struct command *find_command(const char *name);

/* ---- Text (help.c, pages.c, completion.c) ------------------------------------------------------------------------- */

void print_usage(FILE *to);
void print_help(FILE *to, const struct command *c);
void print_variables(FILE *to);
void print_man_page(FILE *to);      /* telar.1 */
void print_variables_page(FILE *to); /* telar.7 */
int print_completion(FILE *to, const char *shell);
/* Print text that came from a file: what would steer the terminal is shown as \n or \x1b, and at most `most` bytes are. */
void print_harmless(FILE *to, const char *text, size_t most);
/* Print words wrapped to `width` columns, each line but the first indented; `column` is where the first begins. */
void print_wrapped(FILE *to, const char *text, int indent, int column, int width);

/* ---- JSON (json.c) ------------------------------------------------------------------------------------------------- */

/* A writer of one line of JSON: values are written in order, commas come by themselves. */
struct json {
    FILE *to;
    unsigned depth;
    bool some[32], after_key;
};
struct json json_new(FILE *to);
void json_open(struct json *j, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket);
void json_key(struct json *j, const char *key);
void json_text(struct json *j, const char *text); /* NULL: null; bytes that are not UTF-8 are replaced */
void json_integer(struct json *j, int64_t n);
/* Length of the valid UTF-8 sequence that begins here; 0 if it is none. */
int utf8_sequence(const char *text);
void json_number(struct json *j, double x); /* null if it is not finite */
void json_bool(struct json *j, bool b);
/* Key and value at once. */
void json_text_of(struct json *j, const char *key, const char *text);
void json_integer_of(struct json *j, const char *key, int64_t n);
void json_number_of(struct json *j, const char *key, double x);
void json_bool_of(struct json *j, const char *key, bool b);
void json_shape_of(struct json *j, const char *key, int ndim, const int64_t *shape);
/* End the line. */
void json_end(struct json *j);

/* ---- Interrupts (interrupt.c) ------------------------------------------------------------------------------------------- */

/* Wait for Ctrl-C and SIGTERM on a thread of its own. To be called before there are others, which inherit that they are blocked. */
tl_status await_interrupts(void);
/* From now on the first one kills no more: interrupted() tells of it. */
void survive_interrupts(void);
bool interrupted(void);

/* ---- Work that several commands do (device.c, job.c, job_data.c, measure.c) --------------------------------------- */

/* A model with its options, and data that fit it. Zeroed to begin with; free with job_free(). */
struct job {
    const struct tl_model *model;
    struct tl_config *config;
    char *options; /* as text, with sizes taken from the data */
    tl_module *net;
    tl_module *trained;  /* net, or the part of it that is trained on cached features */
    const char *freeze, *replace; /* of the command line or the weights' notes, or NULL */
    int64_t resize;      /* pictures are brought to this height and width; 0: they stay */
    tl_dtype dtype;      /* of weights and inputs */
    struct tl_dataset_info shown; /* the data as the model sees them; size 0: not known */
    struct tl_job work; /* the task, once the data are open */
    struct tl_data_options data_options;
    char *data_text; /* data_options.options */
    const char *data_name; /* borrowed of the command line, the weights' notes or the model */
    tl_dataset *train, *test;
    bool only_run;     /* the network is not trained: it may take the file's own tensors over */
    tl_state *weights; /* of --weights or --resume: its notes say what was trained on what */
    const struct tl_model_weights *listed; /* of the model's table, by which they were asked for, or which they began as; NULL: none */
    char *class_text;  /* of a note, cut into class_names */
    const char **class_names;
    int64_t n_class_names;
};

/* A batch's inputs as the network wants them: resized, in the model's form, of the network's type. */
tl_tensor *job_prepare(const struct job *j, tl_tensor *x);
/* A note of the weight file; NULL if there is none, or an empty one. */
const char *job_note(const struct job *j, const char *key);

/* learnt.c: names of classes as weight files note them, one a line, malloc()ed; NULL if there are none or one has lines. */
char *list_classes(const char *const *names, int64_t n);
/* Of a language: its data are read by the characters that the weights have learnt. */
tl_status keep_vocabulary(struct job *j);
/* Say so if the data's classes are not those that the weights have learnt. */
void warn_of_classes(const struct job *j);

/* transfer.c: the layer NAME of "NAME=N,N,…" becomes linear layers of these sizes, one after the other. */
tl_status replace_layer(tl_module *net, const char *text);
/* Freeze what --freeze says. Batch norms that are frozen whole keep their statistics: what the rest of the network learnt stays as it was. */
tl_status freeze_layers(tl_module *net, const char *patterns);
/* How many numbers are trained. */
int64_t trainable_count(tl_module *m);
/* Train only what --replace put in, on the features of the rest, which are computed here, once. */
tl_status job_cache_features(struct job *j, const struct invocation *v);

/* ---- Paths of pictures (paths.c) --------------------------------------------------------------------------------------- */

/* Does this name end as a picture's? Does the first argument name pictures (by such an ending, or as a path with a slash), and not a model? */
bool names_picture(const char *argument);
bool names_pictures(const char *argument);
bool is_folder(const char *path);
/* Zeroed to begin with. */
struct paths {
    char **paths;
    size_t n, room;
};
/* A picture's path; or a folder's: then every picture below it, in the order of their names. Folders in it that cannot be listed are told, as tell_unread()
 * does. */
tl_status paths_add(struct paths *p, const struct invocation *v, const char *argument, int *code);
void paths_free(struct paths *p);
/* Report the error that is set, about what cannot be read, so that the others are not kept back; *code becomes EXIT_FAILED. */
void tell_unread(const struct invocation *v, const char *path, int *code);

/* ---- More of a job ------------------------------------------------------------------------------------------------------ */

/* Report the thread's error as "telar: message" and return EXIT_FAILED. */
int failed(void);
/* The same for a mistake on the command line. */
int misused(const struct invocation *v, const char *format, ...) TL_PRINTF(2, 3);
/* Device, threads and math mode from the options, and the device opened. */
tl_status set_device(const struct invocation *v);
/* Options of the data set from --data-option and the flags that are short for some, malloc()ed; NULL and an error. `noted` (or NULL) are
 * those of a weight file, which the command line's are added to. */
char *data_option_text(const struct invocation *v, const char *noted);
/* --seed, or a fresh one. */
uint64_t choose_draw_seed(const struct invocation *v);
/* Find the model: the first argument or, if there is none, what the weight file says. */
tl_status job_model(struct job *j, const struct invocation *v);
/* --optimizer or, where the command line is silent, what such a model is usually trained with. *lr and *momentum become --lr and
 * --momentum, or the usual ones if they are that optimizer's. */
const char *usual_optimizer(const struct tl_model *m, const struct invocation *v, double *lr, double *momentum);
/* Open the data: --data, or what the weight file says, or what the model is made for. */
tl_status job_data(struct job *j, const struct invocation *v, bool train, bool test);
/* The data as the model sees them; NULL: none are open. */
const struct tl_dataset_info *job_info(const struct job *j);
/* Take note of what --resize makes of them. */
tl_status job_show_data(struct job *j);
/* The names of the classes that telar train noted with the weights, one a line. */
tl_status job_note_classes(struct job *j);
/* Configure and build the net on the default device; load the weights, if there are any. */
tl_status job_net(struct job *j, const struct invocation *v);
void job_free(struct job *j);
/* Loss, metric, step and preprocessing for this model and these data. */
void job_functions(struct job *j, struct tl_fit_options *o);
/* Names of classes: of the data, else those noted with the weights, else of the model, else NULL; and their number (0: not a classification). */
const char *const *job_classes(const struct job *j, int64_t *n);
/* Shape of an input, --batch samples of --input, or of the model's own. Returns the number of dimensions, or -1 after a
 * message. */
int job_input(const struct job *j, const struct invocation *v, int64_t shape[TL_MAX_DIMS]);

/* cost.c: what a model costs with its defaults, on one input of this shape; -1: it cannot be built, or walked. Sets no error. */
struct cost {
    int64_t parameters, multiply_adds;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
};
struct cost model_cost(const struct tl_model *m);
/* "11.7 M": three digits; "-" for less than 0. Returns buffer. */
const char *short_number(int64_t n, char *buffer, size_t size);

/* example.c: a batch of --batch random inputs, in the form that the network takes, in batch[0] (kept), and in `how` what fits it; and labels that a
 * training step of it needs, in batch[1]. *code is EXIT_USAGE after a message about --input. */
tl_status job_example(const struct job *j, const struct invocation *v, struct tl_fit_options *how, tl_tensor **batch, int *fields, int *code);
tl_status job_example_labels(const struct job *j, tl_tensor **batch, int *fields);

/* What a model does on a part of its data. Free the confusion matrix. */
struct measured {
    struct tl_evaluation evaluation;
    tl_confusion *confusion;                 /* NULL if it is not a classification */
    bool regression;
    struct tl_regression_scores scores;      /* of one */
    enum tl_task task;
    const char *metric;                      /* what the model's own is called; NULL: the task's */
};
/* ", accuracy 97.50 %" or ", R² 0.93, mean absolute error 12.3", or nothing. */
void print_scores(const struct measured *m);
tl_status job_measure(struct job *j, const struct invocation *v, tl_dataset *data, struct measured *m);
/* Print it: the report, and the matrix with --confusion. With --json: the members of an object. */
tl_status print_measured(const struct measured *m, const struct invocation *v);
void json_measured(struct json *to, const struct measured *m);

/* ---- Pictures (picture.c) ---------------------------------------------------------------------------------------------- */

/* Draw a sample, and beside it, if it is not NULL, another on the same scale of grey. What is no small picture is not drawn. */
tl_status draw_pictures(tl_tensor *left, tl_tensor *right, const struct tl_dataset_info *info);

/* ---- Predictions (outcome.c) ------------------------------------------------------------------------------------------- */

struct grid;

/* A sample of a data set by its number, or a picture by its file. */
struct subject {
    int64_t sample;
    const char *file; /* NULL: a sample */
};
struct samples {
    struct subject *of;
    int64_t n;
    tl_tensor *fields[TL_MAX_FIELDS]; /* batches: inputs first, and targets last if there are more */
    int n_fields;
    struct tl_dataset_info info; /* of the data set that they are of */
    struct grid *pairs;          /* where inputs and reconstructions go with --output */
};
/* Run the model on them and print what it says of each. */
tl_status show_outcomes(struct job *j, const struct invocation *v, const struct samples *b);
/* A line of JSON for a file that could not be read. */
void json_unread(const char *file, const char *message);

/* ---- What telar generate makes, by the model's task ---------------------------------------------------------------------- */

/* generate_pictures.c, generate_text.c. *code becomes EXIT_USAGE after a message about the command line. */
tl_status generate_pictures(struct job *j, const struct invocation *v, uint64_t seed, int *code);
tl_status generate_text(struct job *j, const struct invocation *v, uint64_t seed);

/* Options of a model or a data set (models.c). */
void print_options(const char *title, const struct tl_plugin_option *options);
void json_options_of(struct json *j, const char *key, const struct tl_plugin_option *options);

/* ---- Commands -------------------------------------------------------------------------------------------------------- */

int run_backends(const struct invocation *v);
int run_models(const struct invocation *v);
int run_data(const struct invocation *v);
int run_summary(const struct invocation *v);
int run_train(const struct invocation *v);
int run_eval(const struct invocation *v);
int run_predict(const struct invocation *v);
int run_generate(const struct invocation *v);
int run_fetch(const struct invocation *v);
int run_inspect(const struct invocation *v);
int run_convert(const struct invocation *v);
int run_bench(const struct invocation *v);
int run_graph(const struct invocation *v);
int run_doctor(const struct invocation *v);
int run_help(const struct invocation *v);
int run_completion(const struct invocation *v);

#endif
