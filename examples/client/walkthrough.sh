#!/bin/sh
# From a file of transactions to the customers at risk, through the REST API. Needs curl.
#
#   CHURN_URL=http://127.0.0.1:5000 CHURN_TOKEN=… CHURN_ORG=acme ./walkthrough.sh
#
# A server that runs open needs no CHURN_TOKEN; otherwise it is an API key or a JWT with the role admin.
# `walkthrough.sh sample` only prints the transactions.
set -eu

# Two years of made-up purchases as CSV: everybody has a pace, and half of them stop on some day. Months have 28 days here,
# so that dates need no calendar; the random numbers are those of Park and Miller (1988).
sample() {
    awk '
        function random() { state = (state * 16807) % 2147483647; return state / 2147483647 }
        function date(day,    month) { month = int(day / 28); return sprintf("%d-%02d-%02d", 2024 + int(month / 12), month % 12 + 1, day % 28 + 1) }
        BEGIN {
            state = 7; days = 671
            print "customer_id,event_date,amount,event_type"
            for (customer = 0; customer < 400; customer++) {
                pace = 5 * exp(log(12) * random()); day = days / 2 * random()
                stops = customer % 2 == 0 ? days : day + (days - day) * random()
                for (; day <= stops; day += pace * (0.2 + 1.6 * random()))
                    printf "C%04d,%s,%.2f,purchase\n", customer, date(int(day)), 5 + 95 * random()
            }
            printf "C0000,%s,20.00,purchase\n", date(days)
        }'
}
if [ "${1:-}" = sample ]; then
    sample
    exit
fi

url="${CHURN_URL:-http://127.0.0.1:5000}/api/v1/churn/v2"
org="${CHURN_ORG:-walkthrough}"

# call METHOD PATH CURL-OPTIONS…: the answer, or the code and the message of the API.
call() {
    method=$1 path=$2
    shift 2
    answer=$(curl --silent --show-error --fail-with-body --request "$method" \
        ${CHURN_TOKEN:+--header "Authorization: Bearer $CHURN_TOKEN"} "$@" "$url/$path") || {
        echo "$method $path: $answer" >&2
        return 1
    }
    printf '%s\n' "$answer"
}

# field NAME: the text or number of that name in a JSON answer.
field() {
    sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p'
}

# wait_for JOB: waits for a job that runs in the background.
wait_for() {
    while :; do
        job=$(call GET "organizations/$org/jobs/$1")
        case $(printf %s "$job" | field status) in
        completed) return ;;
        failed | cancelled)
            printf '%s\n' "$job" >&2
            exit 1
            ;;
        esac
        sleep 0.2
    done
}

# An organization; that it is there already is fine.
call POST organizations --header "Content-Type: application/json" --data "{\"organization_id\":\"$org\"}" ||
    call GET "organizations/$org"

# 1. Upload.
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
sample >"$work/transactions.csv"
uploaded=$(call POST "organizations/$org/upload-dataset" --form "file=@$work/transactions.csv;type=text/csv" --form has_churn_label=false)
printf '%s\n' "$uploaded"
dataset=$(printf %s "$uploaded" | field dataset_id)

# 2. Features.
started=$(call POST "organizations/$org/datasets/$dataset/process-features")
wait_for "$(printf %s "$started" | field job_id)"
call GET "organizations/$org/datasets/$dataset"

# 3. A model.
started=$(call POST "organizations/$org/train?model_type=logistic_regression&activate=true")
wait_for "$(printf %s "$started" | field job_id)"
call GET "organizations/$org/training-status"

# 4. One customer.
call POST "organizations/$org/predict?explain=true" --header "Content-Type: application/json" --data '{
    "customer_id": "C001",
    "transactions": [
        {"event_date": "2025-06-03", "amount": 25.0, "event_type": "purchase"},
        {"event_date": "2025-08-19", "amount": 31.5, "event_type": "purchase"}
    ],
    "as_of": "2025-12-28"
}'

# 5. All customers, and those at the greatest risk.
started=$(call POST "organizations/$org/predict-bulk?dataset_id=$dataset")
wait_for "$(printf %s "$started" | field job_id)"
call GET "organizations/$org/prediction-batches/$(printf %s "$started" | field batch_id)"
call GET "organizations/$org/prediction-customers?risk_segment=Critical&limit=5"
