# The command `telar`.
