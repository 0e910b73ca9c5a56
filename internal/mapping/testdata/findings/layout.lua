return mapping{ first_name = source.a:date("QQ") }
