resource "aws_sfn_state_machine" "orders" {
  name     = "orders"
  role_arn = "arn:aws:iam::111122223333:role/x"
  definition = jsonencode({
    StartAt = "Save"
    States = {
      Save = {
        Type     = "Task"
        Resource = "arn:aws:states:::dynamodb:putItem"
        End      = true
      }
    }
  })
}
