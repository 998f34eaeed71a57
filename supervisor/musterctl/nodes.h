#pragma once
/*
 * NODE and JOB objects of Describe(): finding and reading.
 */
#include "musterctl/daemon.h"

/* The NODE called @name (borrowed), or NULL. */
const json_t *nodes_find(const json_t *manager, const char *name);

/* The longest name's columns; at least @least. */
unsigned nodes_name_width(const json_t *manager, unsigned least);

/* 0, or CTL_FAILED with the names that are known. */
int nodes_check(const json_t *manager, const char *name, Fault *reterr);

/* Connects and describes; *ret_node is borrowed from *ret_manager. An unknown name lists the known ones:
 * CTL_FAILED. */
int nodes_open(const char *name, Daemon **ret_daemon, json_t **ret_manager, const json_t **ret_node,
               Fault *reterr);

/* The JOB with @id among the active ones and the last one; NULL if it is not there. */
const json_t *node_job(const json_t *node, const char *id);

/* A JOB that is over, as musterd says, or without its word by kind and state. */
bool job_over(const json_t *job);

/* The first active job or NULL. */
const json_t *node_active_job(const json_t *node);

/* Down, stalled ..., or its last upgrade is stuck. */
bool node_is_unhealthy(const json_t *node);

/* A member that is an integer, or @otherwise if it is null or absent. */
int64_t json_i64(const json_t *object, const char *key, int64_t otherwise);
